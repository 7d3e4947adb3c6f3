//! Keys, tokens, certificates and what is shown change while the server runs: on SIGHUP, and when their files change.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    access,
    config::{Caches, Hooks, Reloadable, TlsFiles},
    exchange::Coming,
    keys::load_key,
    notify,
    state::State,
    tls::{Certificate, Prepared},
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
    tokens: FileWatch,
    tls: FileWatch,
}

impl Seen {
    pub(crate) fn new(caches: &Caches, tls: Option<&TlsFiles>) -> Self {
        let tls = tls.into_iter().flat_map(|files| {
            [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()]
        });
        let tls = tls.flatten().map(|path| path.as_path());
        let keys = caches.all().flat_map(|(_, cache)| &cache.signing.keys);
        let tokens = caches.all().filter_map(|(_, cache)| cache.access.tokens.as_deref());
        Self {
            keys: FileWatch::new(keys.map(|path| path.as_path())),
            tokens: FileWatch::new(tokens),
            tls: FileWatch::new(tls),
        }
    }
}

/// What can be exchanged in a running server.
pub(crate) struct Reloader {
    state: Arc<State>,
    hooks: Hooks,
    certificate: Option<Certificate>,
    caches: Caches,
    tls: Option<TlsFiles>,
    seen: Seen,
    /// Certificate or key has changed, and the other may be about to.
    tls_changing: bool,
    /// A configuration that takes effect when it is known what its caches show.
    next: Option<Next>,
    next_look: Instant,
}

/// A configuration that was read and found good.
struct Next {
    coming: Coming,
    caches: Caches,
    tls: Option<TlsFiles>,
    seen: Seen,
    prepared: Option<Prepared>,
}

impl Reloader {
    pub(crate) fn new(
        state: Arc<State>,
        hooks: Hooks,
        certificate: Option<Certificate>,
        seen: Seen,
    ) -> Self {
        let (caches, tls) = (state.config.caches.clone(), state.config.tls.clone());
        Self {
            seen,
            state,
            hooks,
            certificate,
            caches,
            tls,
            tls_changing: false,
            next: None,
            next_look: Instant::now() + OFTEN,
        }
    }

    /// Reads the configuration again. What is wrong with it is logged, and all stays as it was, or as a reload before that is
    /// still about to make it.
    pub(crate) fn reload(&mut self, status: &str) {
        notify::reloading();
        match self.try_reload() {
            Ok(()) => self.show(status),
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
            None => Reloadable { caches: self.caches.clone(), tls: self.tls.clone() },
        };
        let seen = Seen::new(&new.caches, new.tls.as_ref());
        let problems = unusable(&new.caches);
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
        self.next = Some(Next {
            coming: Coming::new(self.state.prepare(&new.caches)),
            caches: new.caches,
            tls: new.tls,
            seen,
            prepared,
        });
        Ok(())
    }

    /// Lets a configuration that was read take effect if it is time for that.
    fn show(&mut self, status: &str) {
        let Some(next) = self.next.take_if(|next| next.coming.is_settled()) else { return };
        self.state.exchange(Arc::clone(&next.coming.views));
        if let Some(prepared) = next.prepared {
            prepared.show();
        }
        self.seen = next.seen;
        self.tls_changing = false;
        self.caches = next.caches;
        self.tls = next.tls;
        tracing::info!("reloaded");
        notify::ready(status);
    }

    /// Returns when it is time to [`look`](Self::look).
    pub(crate) async fn wait(&mut self) {
        let time = tokio::time::sleep_until(self.next_look.into());
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
        self.show(status);
        if self.next_look > Instant::now() {
            return;
        }
        if self.seen.keys.changed() {
            self.load_keys();
        }
        if self.seen.tokens.changed() {
            self.load_tokens();
        }
        self.look_at_tls();
        self.next_look = Instant::now() + self.pause();
    }

    /// A token or a CA that was revoked is refused within seconds; what is awaited is not waited for any longer.
    fn pause(&self) -> Duration {
        let has_tokens = self.caches.all().any(|(_, cache)| cache.access.tokens.is_some());
        let has_client_ca = self.tls.as_ref().is_some_and(|files| files.client_ca.is_some());
        let awaited =
            self.tls_changing || self.state.views.load().all().any(|view| view.has_problems());
        if has_tokens || has_client_ca || awaited { OFTEN } else { SELDOM }
    }

    fn load_keys(&self) {
        for view in self.state.views.load().all() {
            let cache = view.label();
            match view.reload_keys() {
                Ok(()) => {
                    let keys = view.signer().public_keys();
                    let names: Vec<_> = keys.iter().map(|key| key.name().to_string()).collect();
                    tracing::info!(
                        "{cache}key files have changed; signing with {}",
                        names.join(", ")
                    );
                }
                Err(problems) => {
                    let kept = view.signer().problems().is_empty();
                    let outcome =
                        if kept { "the keys stay as they were" } else { "still not ready" };
                    for problem in problems {
                        tracing::error!("{cache}{outcome}: {problem}");
                    }
                }
            }
        }
    }

    fn load_tokens(&self) {
        let views = self.state.views.load();
        for view in views.all().filter(|view| view.config.access.tokens.is_some()) {
            let cache = view.label();
            let had_problems = !view.access.problems().is_empty();
            match view.reload_tokens() {
                Ok(number) => tracing::info!("{cache}tokens were read again: {number}"),
                Err(problem) if had_problems => {
                    tracing::error!("{cache}still nobody is let in by a token: {problem}");
                }
                Err(problem) => tracing::error!("{cache}the tokens stay as they were: {problem}"),
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
                    tracing::info!("a TLS certificate has changed; the new one is used");
                }
                Err(err) => tracing::error!("TLS stays as it was: {err}"),
            }
        }
    }
}

/// What keeps keys and tokens of a new configuration from being used.
fn unusable(caches: &Caches) -> Vec<String> {
    let keys = caches.all().flat_map(|(_, cache)| &cache.signing.keys);
    let keys = keys.filter_map(|path| load_key(path).err()).map(|problem| problem.to_string());
    let access = caches.all().flat_map(|(_, cache)| access::problems(&cache.access));
    keys.chain(access).collect()
}
