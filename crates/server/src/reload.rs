//! Keys and certificate change while the server runs: on SIGHUP, and when their files change.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::{Hooks, Reloadable, SigningConfig, TlsFiles},
    keys::load_key,
    notify,
    state::State,
    tls::Certificate,
    watch::FileWatch,
};

/// How often files are looked at, and how often while one is awaited.
const SELDOM: Duration = Duration::from_secs(5);
const OFTEN: Duration = Duration::from_secs(1);

/// How the files of keys and certificate looked before they were loaded. In this order, what changes
/// in between is loaded again rather than overlooked.
#[derive(Debug)]
pub(crate) struct Seen {
    keys: FileWatch,
    tls: FileWatch,
}

impl Seen {
    pub(crate) fn new(signing: &SigningConfig, tls: Option<&TlsFiles>) -> Self {
        let tls = tls.into_iter().flat_map(|files| [files.certificate.as_path(), &files.key]);
        Self {
            keys: FileWatch::new(signing.keys.iter().map(|path| path.as_path())),
            tls: FileWatch::new(tls),
        }
    }
}

/// What can be exchanged in a running server.
pub(crate) struct Reloader {
    state: Arc<State>,
    hooks: Hooks,
    certificate: Option<Certificate>,
    signing: SigningConfig,
    tls: Option<TlsFiles>,
    seen: Seen,
    /// Certificate or key has changed, and the other may be about to.
    tls_changing: bool,
    next_look: Instant,
}

impl Reloader {
    pub(crate) fn new(
        state: Arc<State>,
        hooks: Hooks,
        certificate: Option<Certificate>,
        seen: Seen,
    ) -> Self {
        let (signing, tls) = (state.config.signing.clone(), state.config.tls.clone());
        Self {
            seen,
            state,
            hooks,
            certificate,
            signing,
            tls,
            tls_changing: false,
            next_look: Instant::now() + OFTEN,
        }
    }

    /// Reads the configuration again. What is wrong with it is logged, and all stays as it was.
    pub(crate) fn reload(&mut self, status: &str) {
        notify::reloading();
        match self.try_reload() {
            Ok(()) => {
                tracing::info!("reloaded");
                notify::ready(status);
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!("reload refused, everything stays as it was: {problem}");
                }
                notify::ready(&format!("{status}; the last reload was refused, see the log"));
            }
        }
    }

    fn try_reload(&mut self) -> Result<(), Vec<String>> {
        let new = match &self.hooks.reload {
            Some(read) => read().map_err(|problem| vec![problem])?,
            None => Reloadable { signing: self.signing.clone(), tls: self.tls.clone() },
        };
        let seen = Seen::new(&new.signing, new.tls.as_ref());
        let problems = unusable(&new.signing);
        if !problems.is_empty() {
            return Err(problems);
        }
        let prepared = match (&self.certificate, &new.tls) {
            (Some(certificate), Some(files)) => {
                Some(certificate.prepare(files).map_err(|err| vec![err.to_string()])?)
            }
            (None, Some(_)) => {
                tracing::warn!("TLS takes effect at the next start: no listener speaks it now");
                None
            }
            (Some(_), None) => {
                tracing::warn!("TLS ends at the next start: the listeners keep their certificate");
                None
            }
            (None, None) => None,
        };
        self.state.reload_signing(&new.signing)?;
        if let Some(prepared) = prepared {
            prepared.show();
        }
        self.seen = seen;
        self.tls_changing = false;
        self.signing = new.signing;
        self.tls = new.tls;
        Ok(())
    }

    /// Returns when it is time to [`look`](Self::look).
    pub(crate) async fn wait(&self) {
        tokio::time::sleep_until(self.next_look.into()).await;
    }

    /// Loads the files that have changed.
    pub(crate) fn look(&mut self) {
        if self.seen.keys.changed() {
            self.load_keys();
        }
        self.look_at_tls();
        let awaited = self.tls_changing || !self.state.signer().problems().is_empty();
        self.next_look = Instant::now() + if awaited { OFTEN } else { SELDOM };
    }

    fn load_keys(&self) {
        match self.state.reload_signing(&self.signing) {
            Ok(()) => {
                let names: Vec<_> =
                    self.state.public_keys().iter().map(|key| key.name().to_string()).collect();
                tracing::info!("key files have changed; signing with {}", names.join(", "));
            }
            Err(problems) => {
                let kept = self.state.signer().problems().is_empty();
                let outcome = if kept { "the keys stay as they were" } else { "still not ready" };
                for problem in problems {
                    tracing::error!("{outcome}: {problem}");
                }
            }
        }
    }

    /// Certificate and key are two files and are written one after the other: they are loaded when
    /// neither has changed since the last look.
    fn look_at_tls(&mut self) {
        let changed = self.seen.tls.changed();
        if changed || !self.tls_changing {
            self.tls_changing = changed;
            return;
        }
        self.tls_changing = false;
        if let (Some(certificate), Some(files)) = (&self.certificate, &self.tls) {
            match certificate.prepare(files) {
                Ok(prepared) => {
                    prepared.show();
                    tracing::info!("the TLS certificate has changed; the new one is shown");
                }
                Err(err) => tracing::error!("the old TLS certificate is still shown: {err}"),
            }
        }
    }
}

fn unusable(signing: &SigningConfig) -> Vec<String> {
    let problems = signing.keys.iter().filter_map(|path| load_key(path).err());
    problems.map(|problem| problem.to_string()).collect()
}
