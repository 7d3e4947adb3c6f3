//! Collects the problems and warnings of a configuration while its values are resolved.

use std::path::PathBuf;

use super::{
    env::{Environment, PassedSockets},
    problem::Problem,
    settings::Settings,
};

/// The problems and warnings found so far, each problem with the place where its key was set.
pub(super) struct Diagnostics<'a> {
    pub(super) settings: &'a Settings,
    pub(super) environment: &'a Environment,
    passed: PassedSockets,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<String>,
}

impl<'a> Diagnostics<'a> {
    pub(super) const fn new(
        settings: &'a Settings,
        environment: &'a Environment,
        passed: PassedSockets,
        problems: &'a mut Vec<Problem>,
        warnings: &'a mut Vec<String>,
    ) -> Self {
        Self { settings, environment, passed, problems, warnings }
    }

    /// Adds a problem: the configuration is refused. An empty hint is none.
    pub(super) fn problem(&mut self, key: &str, reason: impl Into<String>, hint: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            source: self.settings.source(key),
            reason: reason.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        });
    }

    /// Adds a warning: the configuration is accepted.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Whether the server may get a socket with this name from systemd.
    pub(super) fn may_get_socket(&self, name: &str) -> bool {
        let names = self.environment.get("LISTEN_FDNAMES").unwrap_or_default();
        self.passed == PassedSockets::Unknown || names.split(':').any(|passed| passed == name)
    }

    /// The path of a key or certificate file; the description of `signing.keys` explains relative names.
    pub(super) fn credential(&self, name: &str) -> PathBuf {
        match self.environment.get("CREDENTIALS_DIRECTORY") {
            Some(directory) => PathBuf::from(directory).join(name),
            None => std::path::absolute(name).unwrap_or_else(|_| name.into()),
        }
    }
}
