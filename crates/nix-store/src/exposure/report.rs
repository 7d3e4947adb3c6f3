//! Texts for the operator about an exposed set, once for each change.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use rns_cache::ExposurePolicy;

use super::evaluate::Evaluation;

/// On a machine that builds, withheld paths come one after another.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// The last texts.
#[derive(Default)]
pub(super) struct ExposureReport {
    missing: BTreeMap<PathBuf, String>,
    withheld: usize,
    withheld_at: Option<Instant>,
    failure: Option<String>,
}

impl ExposureReport {
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
        match self.withheld(policy, evaluation) {
            Some(text) if self.withheld > 0 => tracing::warn!("{text}"),
            Some(text) => tracing::info!("{text}"),
            None => {}
        }
        self.missing.len()
    }

    /// The text about paths that are withheld.
    fn withheld(&mut self, policy: &ExposurePolicy, evaluation: &Evaluation) -> Option<String> {
        let withheld = evaluation.withheld();
        let is_recent = self.withheld_at.is_some_and(|at| at.elapsed() < REPORT_INTERVAL);
        if withheld.number == self.withheld || withheld.number > 0 && is_recent {
            return None;
        }
        self.withheld = withheld.number;
        if withheld.number == 0 {
            return Some("no path is withheld any more because of its references".to_owned());
        }
        self.withheld_at = Some(Instant::now());
        let examples = withheld.examples.iter();
        let mut examples: Vec<String> =
            examples.map(|(row, cause)| example(policy, evaluation, *row, *cause)).collect();
        if withheld.number > examples.len() {
            examples.push("…".to_owned());
        }
        let number = match withheld.number {
            1 => "1 path is withheld because of its references".to_owned(),
            number => format!("{number} paths are withheld because of their references"),
        };
        Some(format!("{number}: {}", examples.join("; ")))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rns_testing::{Entry, FixtureStore, Tree};

    use super::*;
    use rns_cache::Pattern;

    use crate::{AbsentStore, db::Database, exposure::source::DatabaseSource};

    fn evaluation(fixture: &FixtureStore, policy: &Arc<ExposurePolicy>) -> Evaluation {
        let source = DatabaseSource {
            database: Database::new(
                fixture.database(),
                1,
                REPORT_INTERVAL,
                AbsentStore::Unavailable,
            ),
            file: fixture.database(),
            store_dir: fixture.store_dir().clone(),
            real_dir: fixture.real_dir(),
            limit: 100,
        };
        Evaluation::new(Arc::clone(policy), source)
    }

    #[test]
    fn withheld_paths_are_named_with_the_reason_once_for_each_change() {
        let mut fixture = FixtureStore::new();
        let entry = |name: &str| Entry::new(name, Tree::file(name));
        let secret = fixture.insert(entry("host-secrets"));
        let top = fixture.insert(entry("top").references([&secret]));
        let policy = Arc::new(ExposurePolicy {
            deny: vec![Pattern::parse("*-secrets").unwrap()],
            ..ExposurePolicy::default()
        });
        let (mut report, mut evaluation) =
            (ExposureReport::default(), evaluation(&fixture, &policy));
        evaluation.advance().unwrap();
        let told = report.withheld(&policy, &evaluation);
        let expected = format!(
            "1 path is withheld because of its references: \
             {top} refers to {secret}, which matches the deny pattern *-secrets"
        );
        assert_eq!(told, Some(expected));
        assert_eq!(report.withheld(&policy, &evaluation), None);
        fixture.forget(&top);
        evaluation.forget();
        evaluation.advance().unwrap();
        let told = report.withheld(&policy, &evaluation).unwrap();
        assert!(told.starts_with("no path is withheld"), "{told}");
    }
}
