//! This machine as a server, as its configuration describes it.

mod daemon;
mod database;
mod disk;
mod files;
mod keys;
mod objects;
mod policy;
mod sandbox;
mod stored_index;
mod unit;

use std::time::Duration;

use rns_doctor::{Check, DoctorReport, Finding, FindingId, Outcome, run_all};

use crate::{
    args::ServeArgs,
    config::{self, Environment, Loaded},
    doctor_args::DoctorArgs,
};

/// The longest time of a check that looks at this machine.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time of a check that asks the storage.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// All checks of a server.
const SERVER_CHECKS: &[Check<Loaded>] = &[
    Check { name: "files", timeout: LOCAL_TIMEOUT, run: |loaded| Box::pin(files::check(loaded)) },
    Check {
        name: "database",
        timeout: LOCAL_TIMEOUT,
        run: |loaded| Box::pin(database::check(loaded)),
    },
    Check { name: "daemon", timeout: LOCAL_TIMEOUT, run: |loaded| Box::pin(daemon::check(loaded)) },
    Check { name: "keys", timeout: LOCAL_TIMEOUT, run: |loaded| Box::pin(keys::check(loaded)) },
    Check { name: "policy", timeout: LOCAL_TIMEOUT, run: |loaded| Box::pin(policy::check(loaded)) },
    Check {
        name: "storage",
        timeout: STORAGE_TIMEOUT,
        run: |loaded| Box::pin(objects::check(loaded)),
    },
    Check {
        name: "index",
        timeout: STORAGE_TIMEOUT,
        run: |loaded| Box::pin(stored_index::check(loaded)),
    },
    Check { name: "disk", timeout: LOCAL_TIMEOUT, run: |loaded| Box::pin(disk::check(loaded)) },
    Check {
        name: "sandbox",
        timeout: LOCAL_TIMEOUT,
        run: |loaded| Box::pin(sandbox::check(loaded)),
    },
];

/// Looks at the server, if one is configured here.
pub(super) async fn look(args: &DoctorArgs, environment: &Environment) -> DoctorReport {
    let serve = ServeArgs { config: args.store.config.clone(), ..ServeArgs::default() };
    // A client, too, may name its store with `--store`: that alone is no server.
    match config::load_for_client(&serve, environment) {
        Ok(loaded) if loaded.refused_file.is_none() && !loaded.is_deliberate() => {
            return DoctorReport::default();
        }
        Ok(_) | Err(_) => {}
    }
    let serve = ServeArgs { store: args.store.store.clone(), ..serve };
    match config::load_for_client(&serve, environment) {
        Ok(Loaded { refused_file: Some(file), .. }) => {
            let mut report = DoctorReport::default();
            let why =
                format!("{} is not for this user: sudo rust-nix-serve doctor", file.display());
            report.add("server", Outcome::Unchecked(why));
            report
        }
        Ok(loaded) => run_all(SERVER_CHECKS, &loaded).await,
        Err(error) => {
            let mut report = DoctorReport::default();
            let findings = error.0.iter().map(|problem| {
                let mend = problem
                    .hint
                    .clone()
                    .unwrap_or_else(|| "rust-nix-serve check-config".to_owned());
                let what = format!("{} ({}): {}", problem.key, problem.source, problem.reason);
                Finding::new(FindingId::ConfigurationInvalid, what, mend)
            });
            report.add("configuration", Outcome::Wrong(findings.collect()));
            report
        }
    }
}
