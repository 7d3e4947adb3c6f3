//! Checks, which know nothing of each other.

use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use tokio::time::timeout;

use crate::{DoctorReport, Outcome};

/// A look at one thing of a subject.
pub struct Check<S> {
    /// The name of the check, for reports.
    pub name: &'static str,
    /// The longest time that it may take.
    pub timeout: Duration,
    /// Looks.
    pub run: for<'a> fn(&'a S) -> LocalBoxFuture<'a, Outcome>,
}

/// Runs all checks at the same time. One that takes too long is reported as not made.
pub async fn run_all<S>(checks: &[Check<S>], subject: &S) -> DoctorReport {
    let outcomes = checks.iter().map(async |check| {
        let outcome = timeout(check.timeout, (check.run)(subject)).await;
        let late = || Outcome::Unchecked(format!("nothing came within {:?}", check.timeout));
        (check.name, outcome.unwrap_or_else(|_| late()))
    });
    let mut report = DoctorReport::default();
    for (name, outcome) in join_all(outcomes).await {
        report.add(name, outcome);
    }
    report
}
