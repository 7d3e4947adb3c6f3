//! Signing keys: sound, and readable by whom they should be alone.

use rns_doctor::{Finding, FindingId, Outcome};
use rns_server::keys::{KeyFileError, KeyProblem, load_key};

use super::files::{self, AS_SERVICE};
use crate::config::Loaded;

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let mut findings = Vec::new();
    let (mut names, mut unseen) = (Vec::new(), None);
    for (_, cache) in loaded.server.caches.all() {
        for file in &cache.signing.keys {
            match load_key(file) {
                Ok(key) => names.push(key.name().to_string()),
                Err(error) if is_for_service_alone(&error) => {
                    unseen = Some(format!("{error}; {AS_SERVICE}"));
                }
                Err(error) => findings.push(finding(&error.problem, &error.to_string(), file)),
            }
        }
    }
    names.dedup();
    match names.as_slice() {
        _ if findings.is_empty() && unseen.is_some() => {
            Outcome::Unchecked(unseen.unwrap_or_default())
        }
        [] if findings.is_empty() => Outcome::NotApplicable,
        names => Outcome::of(findings, names.join(", ")),
    }
}

/// Returns true for a key that the service may well be able to read.
fn is_for_service_alone(error: &KeyFileError) -> bool {
    match error.problem {
        KeyProblem::Unreadable { .. } => !rustix::process::geteuid().is_root(),
        KeyProblem::Missing { .. } => files::is_for_service_alone(&error.to_string()),
        _ => false,
    }
}

fn finding(problem: &KeyProblem, what: &str, file: &std::path::Path) -> Finding {
    let file = file.display();
    match problem {
        KeyProblem::Exposed { command, .. } => {
            let usual =
                || format!("signing.keys = [FILE]   # outside of the Nix store, instead of {file}");
            let mend = command.clone().unwrap_or_else(usual);
            Finding::new(FindingId::KeyReadable, what, mend)
        }
        KeyProblem::Missing { command } | KeyProblem::Unreadable { command, .. } => {
            Finding::new(FindingId::KeyUnusable, what, command)
        }
        _ => Finding::new(
            FindingId::KeyUnusable,
            what,
            format!(
                "rust-nix-serve key generate NAME --output {file}   # after moving the old file away"
            ),
        ),
    }
}
