//! The files and directories that the configuration names, as `check-config` looks at them.

use std::time::SystemTime;

use rns_doctor::{Finding, FindingId, Outcome};
use tokio::task::spawn_blocking;

use crate::config::{Loaded, Problem, files};

/// The way to see files that only the service may read.
pub(super) const AS_SERVICE: &str = "run this as root, and where systemd hands files over with \
                                     CREDENTIALS_DIRECTORY=/run/credentials/rust-nix-serve.service";

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
    // Another user may read them, or systemd hands them over.
    let (unseen, problems): (Vec<Problem>, Vec<Problem>) =
        problems.partition(|problem| is_for_service_alone(&problem.reason));
    let mut findings: Vec<Finding> = problems.into_iter().map(finding).collect();
    findings.extend(certificate(loaded));
    if let Some(Problem { key, reason, .. }) = unseen.first().filter(|_| findings.is_empty()) {
        return Outcome::Unchecked(format!("{key}: {reason}; {AS_SERVICE}"));
    }
    let missing = files::missing_roots(loaded);
    if findings.is_empty() && !missing.is_empty() {
        return Outcome::Hint {
            what: missing.join("; "),
            mend: "rust-nix-serve config show   # is the name of the root right?".to_owned(),
        };
    }
    Outcome::of(findings, "the files that the configuration names are there")
}

/// Returns true for a file that the service may well be able to read: this is another user, or the file has a name
/// without a directory, which systemd looks up in a directory that exists for the service alone.
pub(super) fn is_for_service_alone(reason: &str) -> bool {
    let is_refused = ["Permission denied", "may not"].iter().any(|text| reason.contains(text))
        && !rustix::process::geteuid().is_root();
    let is_handed_over = || {
        let here = std::env::current_dir().unwrap_or_default();
        let here = format!("{}/", here.display());
        let is_missing =
            ["No such file", "does not exist"].iter().any(|text| reason.contains(text));
        let names = reason.split(here.as_str()).skip(1);
        let mut names = names.map(|rest| rest.split([' ', ':']).next().unwrap_or_default());
        std::env::var_os("CREDENTIALS_DIRECTORY").is_none()
            && is_missing
            && names.any(|name| !name.contains('/'))
    };
    is_refused || is_handed_over()
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
