//! The files and directories that the configuration names, as `check-config` looks at them.

use std::time::SystemTime;

use rns_doctor::{Finding, FindingId, Outcome};
use tokio::task::spawn_blocking;

use crate::config::{Loaded, Problem, files};

/// Keys with a check of their own, which says more.
const OTHER_CHECKS: [&str; 3] = ["signing.keys", "store.database", "storage.url"];

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let loaded = loaded.clone();
    match spawn_blocking(move || look(&loaded)).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Unchecked(error.to_string()),
    }
}

fn look(loaded: &Loaded) -> Outcome {
    let has_check = |key: &str| {
        OTHER_CHECKS.iter().any(|other| key == *other || key.ends_with(&format!(".{other}")))
    };
    let problems = files::check(loaded).into_iter().filter(|problem| !has_check(&problem.key));
    let mut findings: Vec<Finding> = problems.map(finding).collect();
    findings.extend(certificate(loaded));
    let missing = files::missing_roots(loaded);
    if findings.is_empty() && !missing.is_empty() {
        return Outcome::Hint {
            what: missing.join("; "),
            mend: "rust-nix-serve config show   # is the name of the root right?".to_owned(),
        };
    }
    Outcome::of(findings, "what the configuration names is there")
}

fn finding(problem: Problem) -> Finding {
    let Problem { key, source, reason, hint } = problem;
    let what = format!("{key} ({source}): {reason}");
    let mend =
        hint.unwrap_or_else(|| format!("rust-nix-serve check-config   # after mending {key}"));
    Finding::new(FindingId::FileUnusable, what, mend)
}

/// The certificate of the server itself, where its dates are wrong.
fn certificate(loaded: &Loaded) -> Option<Finding> {
    let files = loaded.server.tls.as_ref()?;
    let error = rns_server::tls::check_validity(files, SystemTime::now()).err()?;
    let mend =
        format!("renew {}, and: systemctl reload rust-nix-serve", files.certificate.display());
    Some(Finding::new(FindingId::TlsExpired, error.to_string(), mend))
}
