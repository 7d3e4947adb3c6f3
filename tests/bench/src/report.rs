//! The results as Markdown.

use std::fmt::Write as _;

use crate::measure::Row;

const GIB: f64 = (1u64 << 30) as f64;

/// One thing to be reached.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// `None`: this run says nothing about it.
    pub(crate) value: Option<f64>,
    pub(crate) must: f64,
    pub(crate) stretch: f64,
}

impl Goal {
    pub(crate) fn new(
        what: &str,
        unit: &'static str,
        value: Option<f64>,
        must: f64,
        stretch: f64,
    ) -> Self {
        Self { what: what.to_owned(), unit, value, must, stretch }
    }

    pub(crate) fn verdict(&self) -> &'static str {
        match self.value {
            None => "invalid: the client was the bottleneck, or something is not installed",
            Some(value) if value <= self.stretch => "stretch reached",
            Some(value) if value <= self.must => "reached",
            Some(_) => "**missed**",
        }
    }
}

/// The table of goals.
pub(crate) fn goals(goals: &[Goal]) -> String {
    let mut text = "| what | measured | must | stretch | |\n|---|---|---|---|---|\n".to_owned();
    for goal in goals {
        let value = goal.value.map_or_else(|| "–".to_owned(), number);
        _ = writeln!(
            text,
            "| {} | {value} {} | ≤ {} | ≤ {} | {} |",
            goal.what,
            goal.unit,
            goal.must,
            goal.stretch,
            goal.verdict()
        );
    }
    text
}

/// The table of everything that was measured.
pub(crate) fn rows(rows: &[Row]) -> String {
    let mut text =
        "| what | server | wall s | requests/s | MiB/s | wall × nginx | CPU s per GiB | \
                    CPU s per 1,000 requests | CPU × nginx | peak MiB | others |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let Some(first) = row.results.first() else { continue };
        for (index, outcome) in row.results.iter().enumerate() {
            let mib = outcome.bytes / GIB * 1024.0;
            let client = if outcome.client_bound { " (client)" } else { "" };
            let (wall, cpu) = match index {
                0 => (String::new(), String::new()),
                // Loads that send as much as they can within some time are compared by their rate.
                _ => (
                    some(outcome.wall / outcome.requests * first.requests / first.wall),
                    some(outcome.cpu_per_request() / first.cpu_per_request()),
                ),
            };
            _ = writeln!(
                text,
                "| {} | {} | {}{client} | {} | {} | {wall} | {} | {} | {cpu} | {} | {:.0} % |",
                if index == 0 { &row.what } else { "" },
                outcome.name,
                some(outcome.wall),
                some(outcome.requests / outcome.wall),
                if mib < 1.0 { String::new() } else { some(mib / outcome.wall) },
                // For small answers it says nothing.
                if outcome.bytes / outcome.requests < 60e3 {
                    String::new()
                } else {
                    some(outcome.cpu / outcome.bytes * GIB)
                },
                some(outcome.cpu_per_request() * 1000.0),
                if outcome.peak == 0.0 { String::new() } else { format!("{:.0}", outcome.peak) },
                outcome.others * 100.0,
            );
        }
    }
    text
}

fn some(value: f64) -> String {
    if value.is_finite() && value > 0.0 { number(value) } else { String::new() }
}

/// Three digits that mean something.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.1 => format!("{value:.2}"),
        value => format!("{value:.4}"),
    }
}
