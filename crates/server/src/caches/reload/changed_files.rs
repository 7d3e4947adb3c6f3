//! Keys, tokens and certificates whose files have changed.

use std::time::Duration;

use super::{REVOCATION_POLL_INTERVAL, Reloader};
use crate::caches::registry::CacheRegistry;

/// How often files are looked at while none is awaited.
const FILES_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How long a file of tokens must look the same before it is read: a file that is being written could be cut in the middle.
const UNCHANGED_INTERVAL: Duration = Duration::from_millis(200);

impl Reloader {
    /// A token or a CA that was revoked is refused within seconds; files that are awaited are looked at as often.
    pub(super) fn pause(&self) -> Duration {
        if self.tokens_changing {
            return UNCHANGED_INTERVAL;
        }
        let has_tokens = self.caches.all().any(|(_, cache)| cache.access.tokens.is_some());
        let has_client_ca = self.tls.as_ref().is_some_and(|files| files.client_ca.is_some());
        let awaited = self.tls_changing
            || self.tls_refused
            || self.state.caches.load().all().any(|cache| cache.are_keys_refused());
        if has_tokens || has_client_ca || awaited {
            REVOCATION_POLL_INTERVAL
        } else {
            FILES_POLL_INTERVAL
        }
    }

    /// Loads keys that have changed, and those that could not be used the last time: the cause need not be
    /// visible in the attributes of the files.
    pub(super) fn load_keys(&mut self, caches: &CacheRegistry, changed: bool) {
        if changed {
            self.told.clear();
        }
        for cache in caches.all().filter(|cache| changed || cache.are_keys_refused()) {
            let label = cache.label();
            match cache.reload_keys() {
                Ok(()) => {
                    let keys = cache.signer().public_keys();
                    let names: Vec<_> = keys.iter().map(|key| key.name().to_string()).collect();
                    tracing::info!(
                        "{label}key files have changed; signing with {}",
                        names.join(", ")
                    );
                }
                Err(problems) => {
                    let kept = cache.signer().problems().is_empty();
                    let outcome =
                        if kept { "the keys stay as they were" } else { "still not ready" };
                    for problem in problems {
                        self.tell(format!("{label}{outcome}: {problem}"));
                    }
                }
            }
        }
    }

    /// Files of tokens are read when none has changed since the last look.
    pub(super) fn look_at_tokens(&mut self, caches: &CacheRegistry) {
        let changed = self.seen.tokens.changed();
        if !changed {
            self.load_tokens(caches, self.tokens_changing);
        }
        self.tokens_changing = changed;
    }

    /// The same as [`Self::load_keys`] for tokens.
    pub(super) fn load_tokens(&mut self, caches: &CacheRegistry, changed: bool) {
        if changed {
            self.told.clear();
        }
        let caches = caches.all().filter(|cache| cache.config.access.tokens.is_some());
        for cache in caches.filter(|cache| changed || cache.access.is_refused()) {
            let label = cache.label();
            let had_problems = !cache.access.problems().is_empty();
            match cache.reload_tokens() {
                Ok(number) => tracing::info!("{label}tokens were read again: {number}"),
                Err(problem) if had_problems => {
                    self.tell(format!("{label}still no token is accepted: {problem}"));
                }
                Err(problem) => {
                    self.tell(format!("{label}the tokens stay as they were: {problem}"));
                }
            }
        }
    }

    /// Certificate and key are two files and are written one after the other: they are loaded when
    /// neither has changed since the last look.
    pub(super) fn look_at_tls(&mut self) {
        let changed = self.seen.tls.changed();
        if changed {
            self.told.clear();
        } else if (self.tls_changing || self.tls_refused) && self.load_tls() {
            tracing::info!("a TLS certificate has changed; the new one is used");
        }
        self.tls_changing = changed;
    }

    /// Whether there is a certificate, and it could be loaded.
    pub(super) fn load_tls(&mut self) -> bool {
        let (Some(certificate), Some(files)) = (&self.certificate, &self.tls) else {
            return false;
        };
        let prepared = certificate.prepare(files);
        self.tls_refused = prepared.is_err();
        match prepared {
            Ok(prepared) => prepared.show(),
            Err(err) => self.tell(format!("TLS stays as it was: {err}")),
        }
        !self.tls_refused
    }

    /// Tells the operator the problem of a file, once.
    pub(super) fn tell(&mut self, problem: String) {
        if !self.told.contains(&problem) {
            tracing::error!("{problem}");
            self.told.push(problem);
        }
    }
}
