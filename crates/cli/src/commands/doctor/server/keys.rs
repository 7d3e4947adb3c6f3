//! Signing keys: sound, and readable by whom they should be alone.

use rns_doctor::{Finding, FindingId, Outcome};
use rns_server::keys::{KeyProblem, load_key};

use crate::config::Loaded;

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let mut findings = Vec::new();
    let mut names = Vec::new();
    for (_, cache) in loaded.server.caches.all() {
        for file in &cache.signing.keys {
            match load_key(file) {
                Ok(key) => names.push(key.name().to_string()),
                Err(error) => findings.push(finding(&error.problem, &error.to_string(), file)),
            }
        }
    }
    names.dedup();
    match names.as_slice() {
        [] if findings.is_empty() => Outcome::NotApplicable,
        names => Outcome::of(findings, names.join(", ")),
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
