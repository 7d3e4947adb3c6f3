//! Keys, tokens, certificates and policies change while the server runs: on SIGHUP, and when their files change.

mod changed_files;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    auth,
    caches::{
        keys::load_key, pending::PendingCaches, registry::CacheRegistry,
        watched_files::WatchedFiles,
    },
    config::{CachesConfig, Hooks, ReloadError, Reloadable, TlsFiles},
    connection::tls::Certificate,
    life_cycle::{state::ServerState, systemd},
};

/// How often files are looked at while one is awaited, or something may be revoked.
const REVOCATION_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long a reload waits for a configuration that is still being written, and how often it looks.
const WRITING_TIMEOUT: Duration = Duration::from_secs(15);
const WRITING_INTERVAL: Duration = Duration::from_millis(200);

/// Everything that can be exchanged in a running server.
pub(crate) struct Reloader {
    state: Arc<ServerState>,
    hooks: Hooks,
    certificate: Option<Certificate>,
    caches: CachesConfig,
    tls: Option<TlsFiles>,
    seen: WatchedFiles,
    /// A file of tokens has changed, and may be about to again.
    tokens_changing: bool,
    /// Certificate or key has changed, and the other may be about to.
    tls_changing: bool,
    /// The certificate could not be used when it was last loaded.
    tls_refused: bool,
    /// Problems of files that were logged: the files are tried again and again, and each problem is logged once.
    told: Vec<String>,
    /// A configuration that takes effect when the policies of its caches are evaluated.
    next: Option<Next>,
    /// A reload that was asked for, until when it may wait for its file.
    wanted_until: Option<Instant>,
    next_look: Instant,
}

/// A configuration that was read and found good.
struct Next {
    coming: PendingCaches,
    caches: CachesConfig,
    tls: Option<TlsFiles>,
    seen: WatchedFiles,
}

/// Why a configuration does not take effect.
enum Problems {
    StillWritten,
    Refused(Vec<String>),
}

impl Problems {
    fn into_texts(self) -> Vec<String> {
        match self {
            Self::StillWritten => {
                vec!["its file changes all the time; reload again when it is written".to_owned()]
            }
            Self::Refused(texts) => texts,
        }
    }
}

impl From<ReloadError> for Problems {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::StillWritten => Self::StillWritten,
            ReloadError::Refused(problem) => Self::Refused(vec![problem.to_string()]),
        }
    }
}

impl Reloader {
    pub(crate) fn new(
        state: Arc<ServerState>,
        hooks: Hooks,
        certificate: Option<Certificate>,
        seen: WatchedFiles,
    ) -> Self {
        let (caches, tls) = (state.config.caches.clone(), state.config.tls.clone());
        Self {
            seen,
            state,
            hooks,
            certificate,
            caches,
            tls,
            tokens_changing: false,
            tls_changing: false,
            tls_refused: false,
            told: Vec::new(),
            next: None,
            wanted_until: None,
            next_look: Instant::now() + REVOCATION_POLL_INTERVAL,
        }
    }

    /// Reads the configuration again. Its problems are logged, and all stays as it was, or as a reload before that is
    /// still about to make it.
    pub(crate) fn reload(&mut self, status: &str) {
        systemd::reloading();
        let until = self.wanted_until.take().unwrap_or_else(|| Instant::now() + WRITING_TIMEOUT);
        match self.try_reload() {
            Ok(()) => self.show(status),
            Err(Problems::StillWritten) if Instant::now() < until => {
                self.wanted_until = Some(until);
            }
            Err(problems) => {
                let problems = problems.into_texts();
                for problem in &problems {
                    tracing::error!("reload refused, everything stays as it was: {problem}");
                }
                systemd::ready(&format!("{status}; the last reload was refused, see the log"));
            }
        }
    }

    fn try_reload(&mut self) -> Result<(), Problems> {
        let new = match &self.hooks.reload {
            Some(read) => read()?,
            None => Reloadable {
                caches: self.caches.clone(),
                tls: self.tls.clone(),
                factory: Arc::clone(self.state.caches.load().factory()),
            },
        };
        let seen = WatchedFiles::new(&new.caches, new.tls.as_ref());
        let problems = unusable(&new.caches);
        if !problems.is_empty() {
            return Err(Problems::Refused(problems));
        }
        match (&self.certificate, &new.tls) {
            (Some(certificate), Some(files)) => {
                let prepared = certificate.prepare(files);
                prepared.map_err(|err| Problems::Refused(vec![err.to_string()]))?;
            }
            (None, Some(_)) => {
                tracing::warn!("TLS takes effect at the next start: no listener speaks it now");
            }
            (Some(_), None) => {
                tracing::warn!("TLS ends at the next start: the listeners keep their certificate");
            }
            (None, None) => {}
        }
        let caches = CacheRegistry::new(new.factory, &new.caches);
        // A file that broke since it was looked at must not take the place of a good one.
        let problems: Vec<String> = caches.all().flat_map(|cache| cache.problems()).collect();
        if !problems.is_empty() {
            return Err(Problems::Refused(problems));
        }
        self.next = Some(Next {
            coming: PendingCaches::new(caches),
            caches: new.caches,
            tls: new.tls,
            seen,
        });
        Ok(())
    }

    /// Lets a configuration that was read take effect if it is time for that.
    fn show(&mut self, status: &str) {
        let Some(mut next) = self.next.take_if(|next| next.coming.is_settled()) else { return };
        // Keys and tokens that were withdrawn while it waited must not come back with it.
        if next.seen.keys.changed() {
            self.load_keys(&next.coming.caches, true);
        }
        let tokens_changed = next.seen.tokens.changed();
        if tokens_changed {
            self.load_tokens(&next.coming.caches, true);
        }
        // The files in use may be younger than those of the coming caches.
        if next
            .coming
            .caches
            .all()
            .any(|cache| cache.are_keys_refused() || cache.access.is_refused())
        {
            tracing::error!("reload refused, everything stays as it was: a file broke meanwhile");
            systemd::ready(&format!("{status}; the last reload was refused, see the log"));
            return;
        }
        self.tokens_changing = tokens_changed;
        self.state.exchange(Arc::clone(&next.coming.caches));
        self.seen = next.seen;
        self.caches = next.caches;
        self.tls = next.tls;
        self.tls_changing = self.seen.tls.changed();
        // Not the files from when the configuration was read: a CA may have been withdrawn since.
        self.load_tls();
        tracing::info!("reloaded");
        systemd::ready(status);
    }

    /// Returns when it is time to [`look`](Self::look).
    pub(crate) async fn wait(&mut self) {
        let again = self.wanted_until.map(|_| Instant::now() + WRITING_INTERVAL);
        let time = again.map_or(self.next_look, |again| again.min(self.next_look));
        let time = tokio::time::sleep_until(time.into());
        match &mut self.next {
            None => time.await,
            Some(next) => tokio::select! {
                () = next.coming.settled() => {}
                () = time => {}
            },
        }
    }

    /// Loads the files that have changed, and lets a configuration take effect that was waiting.
    pub(crate) fn look(&mut self, status: &str) {
        if self.wanted_until.is_some() {
            self.reload(status);
        }
        self.show(status);
        if self.next_look > Instant::now() {
            return;
        }
        let caches = self.state.caches.load_full();
        let changed = self.seen.keys.changed();
        self.load_keys(&caches, changed);
        self.look_at_tokens(&caches);
        self.look_at_tls();
        self.next_look = Instant::now() + self.pause();
    }
}

/// Problems of keys and tokens of a new configuration.
fn unusable(caches: &CachesConfig) -> Vec<String> {
    let keys = caches.all().flat_map(|(_, cache)| &cache.signing.keys);
    let keys = keys.filter_map(|path| load_key(path).err()).map(|problem| problem.to_string());
    let access = caches.all().flat_map(|(_, cache)| auth::problems(&cache.access));
    keys.chain(access).collect()
}
