//! What the operator is told of a view, once for each change.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{ExposurePolicy, evaluate::Evaluation};

/// On a machine that builds, withheld paths come one after another.
const SELDOM: Duration = Duration::from_secs(60);

/// What was told.
#[derive(Default)]
pub(super) struct Report {
    missing: BTreeMap<PathBuf, String>,
    withheld: usize,
    withheld_at: Option<Instant>,
    failure: Option<String>,
}

impl Report {
    /// After an evaluation; the number of roots that expose nothing.
    pub(super) fn evaluated(&mut self, policy: &ExposurePolicy, evaluation: &Evaluation) -> usize {
        let missing: BTreeMap<PathBuf, String> =
            evaluation.missing_roots().map(|(root, reason)| (root.root.clone(), reason)).collect();
        for (root, reason) in &missing {
            if self.missing.get(root) != Some(reason) {
                tracing::warn!("the root {} exposes nothing: {reason}", root.display());
            }
        }
        for root in self.missing.keys().filter(|root| !missing.contains_key(*root)) {
            tracing::info!("the root {} exposes its closure now", root.display());
        }
        self.missing = missing;
        self.withheld(policy, evaluation);
        self.missing.len()
    }

    fn withheld(&mut self, policy: &ExposurePolicy, evaluation: &Evaluation) {
        let withheld = evaluation.withheld();
        if withheld.number == self.withheld {
            return;
        }
        let is_recent = self.withheld_at.is_some_and(|at| at.elapsed() < SELDOM);
        if withheld.number > 0 && is_recent {
            return;
        }
        self.withheld = withheld.number;
        if withheld.number == 0 {
            tracing::info!("no path is withheld any more because of what it refers to");
            return;
        }
        self.withheld_at = Some(Instant::now());
        let examples: Vec<String> = withheld
            .examples
            .iter()
            .map(|(row, cause)| example(policy, evaluation, *row, *cause))
            .collect();
        tracing::warn!(
            "{} paths are withheld because of what they refer to: {}{}",
            withheld.number,
            examples.join("; "),
            if withheld.number > examples.len() { "; …" } else { "" }
        );
    }

    /// There is no room.
    pub(super) fn full(&mut self, failure: Option<&(String, &'static str)>) {
        let text = failure.map(|(what, remedy)| format!("{what}; {remedy}"));
        if let Some(text) = text.as_ref().filter(|text| self.failure.as_ref() != Some(text)) {
            tracing::error!("{text}");
        }
        self.failure = text;
    }
}

fn example(policy: &ExposurePolicy, evaluation: &Evaluation, row: i64, cause: i64) -> String {
    let source = evaluation.source();
    let parse = |path: &str| source.store_dir.parse_path(path);
    let name = |row| {
        source.described(row).map_or_else(
            || "a path that is gone".to_owned(),
            |(path, _)| parse(&path).map_or(path, |path| path.to_string()),
        )
    };
    let reason = match source.described(cause) {
        None => "is gone".to_owned(),
        Some((path, signatures)) => match parse(&path) {
            Err(_) => "is no path of this store".to_owned(),
            Ok(path) => match policy.denied_by(path.name()) {
                Some(pattern) => format!("matches the deny pattern {pattern}"),
                None if !policy.is_claimed(signatures.as_deref()) => {
                    "has no signature by a trusted key".to_owned()
                }
                None if policy.signed_by.is_some() => {
                    "has no valid signature by a trusted key, or is withheld itself".to_owned()
                }
                None => "is withheld itself".to_owned(),
            },
        },
    };
    format!("{} refers to {}, which {reason}", name(row), name(cause))
}
