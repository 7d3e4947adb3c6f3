//! Measuring some servers in turns, and the medians of that.

use std::thread::available_parallelism;

use anyhow::Result;

use crate::{
    load::Load,
    process::{cpu_seconds, forget_peak, machine_seconds, memory},
};

/// The subject of a measurement: a name, the processes whose cost counts, and the load.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'static str,
    pub(crate) processes: Vec<u32>,
    pub(crate) load: Box<dyn Fn() -> Result<Load> + 'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        name: &'static str,
        processes: Vec<u32>,
        load: impl Fn() -> Result<Load> + 'a,
    ) -> Self {
        Self { name, processes, load: Box::new(load) }
    }
}

/// Medians of the rounds of one subject.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    /// Seconds.
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) requests: f64,
    pub(crate) bytes: f64,
    /// Peak memory in MiB.
    pub(crate) peak: f64,
    /// Share of the machine that other programs took meanwhile.
    pub(crate) others: f64,
    /// The client was the bottleneck: its wall time says nothing of the server.
    pub(crate) client_bound: bool,
}

/// One measurement of all its subjects; the others are compared to the first.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) results: Vec<Outcome>,
}

/// Above this share of the time a client is taken for the bottleneck.
const BOUND: f64 = 0.85;

/// Measures each subject once in each round.
pub(crate) fn in_turns(what: &str, rounds: usize, subjects: &[Subject<'_>]) -> Result<Row> {
    let mut samples: Vec<Vec<Outcome>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            samples.push(once(subject)?);
        }
    }
    let row =
        Row { what: what.to_owned(), results: samples.iter().map(|all| medians(all)).collect() };
    for result in &row.results {
        eprintln!(
            "{what:<52} {:<22} {:>9.4} s, CPU {:>8.4} s, {} requests, {:.1} MiB",
            result.name,
            result.wall,
            result.cpu,
            result.requests,
            result.bytes / f64::from(1 << 20)
        );
    }
    Ok(row)
}

fn once(subject: &Subject<'_>) -> Result<Outcome> {
    forget_peak(&subject.processes);
    let (cpu, machine) = (cpu_seconds(&subject.processes)?, machine_seconds());
    let load = (subject.load)()?;
    let cpu = cpu_seconds(&subject.processes)? - cpu;
    let cores = available_parallelism()?.get() as f64;
    let others = machine_seconds() - machine - cpu - load.client_cpu;
    Ok(Outcome {
        name: subject.name,
        wall: load.wall,
        cpu,
        requests: load.requests as f64,
        bytes: load.bytes as f64,
        peak: memory(&subject.processes, "VmHWM"),
        others: (others / load.wall / cores).clamp(0.0, 1.0),
        client_bound: load.busiest > BOUND * load.wall
            || load.client_cpu > BOUND * cores * load.wall,
    })
}

/// One row of several that measured the same.
pub(crate) fn medians_of(rows: Vec<Row>) -> Row {
    let what = rows.first().map_or_else(String::new, |row| row.what.clone());
    let subjects = rows.first().map_or(0, |row| row.results.len());
    let of = |subject: usize| -> Vec<Outcome> {
        rows.iter().filter_map(|row| row.results.get(subject).cloned()).collect()
    };
    Row { what, results: (0..subjects).map(|subject| medians(&of(subject))).collect() }
}

fn medians(samples: &[Outcome]) -> Outcome {
    let of = |value: fn(&Outcome) -> f64| median(samples.iter().map(value).collect());
    Outcome {
        name: samples.first().map_or("", |sample| sample.name),
        wall: of(|sample| sample.wall),
        cpu: of(|sample| sample.cpu),
        requests: of(|sample| sample.requests),
        bytes: of(|sample| sample.bytes),
        peak: of(|sample| sample.peak),
        others: of(|sample| sample.others),
        client_bound: of(|sample| f64::from(u8::from(sample.client_bound))) > 0.5,
    }
}

/// The one in the middle; 0 when there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Row {
    /// Counts each of several equal passes as one measurement.
    pub(crate) fn divided_by(mut self, passes: usize) -> Self {
        for outcome in &mut self.results {
            for value in
                [&mut outcome.wall, &mut outcome.cpu, &mut outcome.requests, &mut outcome.bytes]
            {
                *value /= passes as f64;
            }
        }
        self
    }

    /// The subject of this name.
    pub(crate) fn result(&self, name: &str) -> Outcome {
        self.results.iter().find(|result| result.name == name).cloned().unwrap_or_default()
    }
}

impl Outcome {
    pub(crate) fn cpu_per_request(&self) -> f64 {
        self.cpu / self.requests
    }
}
