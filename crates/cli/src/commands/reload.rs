//! The configuration of a running server, read again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use rns_cache::CacheFactory;
use rns_server::config::{ReloadError, Reloadable};

use super::reload_guard::{self, Settling};
use crate::{
    args::ServeArgs,
    backends::Backends,
    config::{
        self, ConfigError, Environment, Loaded, PassedSockets, files, takes_effect_on_reload,
    },
    logging::LogLevel,
};

/// Everything that a reload starts from.
pub(super) struct Reload {
    args: ServeArgs,
    environment: Environment,
    /// The configuration of the start: keys that wait for a restart have its values.
    started: Loaded,
    settling: Option<Settling>,
    level: LogLevel,
    last: Mutex<Last>,
}

/// The outcome of the last reload that was not refused here, or of the start.
struct Last {
    loaded: Loaded,
    /// `None` until they are open.
    backends: Option<Arc<Backends>>,
}

impl Reload {
    /// For a server that is about to start with `started`.
    pub(super) fn new(
        args: ServeArgs,
        environment: Environment,
        started: Loaded,
        level: LogLevel,
    ) -> Self {
        let settling = started.file.as_deref().map(Settling::new);
        let last = Mutex::new(Last { loaded: started.clone(), backends: None });
        Self { args, environment, started, settling, level, last }
    }

    /// The backends are open.
    pub(super) fn opened(&self, backends: Arc<Backends>) {
        self.last().backends = Some(backends);
    }

    /// Reads the configuration again, and returns the values that the server can exchange. Other changed keys are logged:
    /// they wait for a restart. With any problem, nothing changes.
    ///
    /// # Errors
    /// When the configuration is refused, or its file is still being written.
    pub(super) fn read(&self) -> Result<Reloadable, ReloadError> {
        if self.settling.as_ref().is_some_and(|file| !file.is_settled()) {
            return Err(ReloadError::StillWritten);
        }
        self.try_read().map_err(|error| ReloadError::Refused(error.into()))
    }

    fn try_read(&self) -> anyhow::Result<Reloadable> {
        let loaded = config::load(&self.args, &self.environment, PassedSockets::OfThisProcess)?;
        let mut last = self.last();
        reload_guard::check_file(&last.loaded, &loaded)?;
        let problems = files::check_credentials(&loaded);
        if !problems.is_empty() {
            return Err(ConfigError(problems).into());
        }
        let widened = reload_guard::widened(&last.loaded.server.caches, &loaded)?;
        reload_guard::check_retention(&last.loaded, &loaded)?;
        let opened = last.backends.as_ref().context("the server is still starting")?;
        let backends = Arc::new(opened.reconfigured(&loaded.backends)?);
        self.level.set(&loaded.log.level)?;
        let certificate = files::certificate_warning(&loaded);
        for warning in loaded.warnings.iter().chain(&widened).chain(&certificate) {
            tracing::warn!("{warning}");
        }
        let mut waiting = self.started.settings.changed(&loaded.settings);
        waiting.retain(|key| !takes_effect_on_reload(key));
        if !waiting.is_empty() {
            tracing::warn!(
                "changed, but only a restart makes it take effect: {}",
                waiting.join(", ")
            );
        }
        let caches = loaded.server.caches.clone();
        let tls = loaded.server.tls.clone();
        *last = Last { loaded, backends: Some(Arc::clone(&backends)) };
        Ok(Reloadable { caches, tls, factory: backends as Arc<dyn CacheFactory> })
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
