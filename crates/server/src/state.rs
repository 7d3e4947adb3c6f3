//! What all requests share.

use std::sync::Arc;

use bytes::Bytes;
use rns_formats::{CacheInfo, PublicKey};
use rns_store::{LocalStore, StoreError};
use tokio::sync::Semaphore;

use crate::{
    config::{ServerConfig, SigningConfig},
    metrics::Metrics,
    rendered::RenderedCache,
    signing::{SharedSigner, Signer, share},
};

/// The shared state of a server.
pub(crate) struct State {
    /// How the server was configured.
    pub(crate) config: ServerConfig,
    /// The store that is served.
    pub(crate) store: LocalStore,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// The body of `/nix-cache-info`.
    pub(crate) cache_info: Bytes,
    /// One permit for each download that may run.
    pub(crate) downloads: Arc<Semaphore>,
    /// Narinfos that were rendered before.
    pub(crate) narinfos: RenderedCache,
    signer: SharedSigner,
}

impl State {
    /// Loads the keys; opens nothing else.
    #[must_use]
    pub(crate) fn new(config: ServerConfig) -> Self {
        let signer = Signer::load(&config.signing);
        report(&signer);
        let cache_info = CacheInfo {
            store_dir: config.store.store_dir.clone(),
            want_mass_query: config.want_mass_query,
            priority: config.priority,
            unknown: Vec::new(),
        };
        Self {
            store: LocalStore::open(config.store.clone()),
            metrics: Metrics::new(),
            cache_info: Bytes::from(cache_info.to_string()),
            downloads: Arc::new(Semaphore::new(
                config.limits.downloads.clamp(1, Semaphore::MAX_PERMITS),
            )),
            narinfos: RenderedCache::new(config.limits.narinfo_cache_bytes),
            signer: share(signer),
            config,
        }
    }

    /// The keys in use.
    #[must_use]
    pub(crate) fn signer(&self) -> arc_swap::Guard<Arc<Signer>> {
        self.signer.load()
    }

    /// Loads the keys anew. Downloads that run are not touched.
    ///
    /// # Errors
    /// The problems of the new keys; the old ones stay in use, unless these had problems as well.
    pub(crate) fn reload_signing(&self, signing: &SigningConfig) -> Result<(), Vec<String>> {
        let new = Signer::load(signing);
        let problems = new.problems().to_vec();
        if problems.is_empty() || !self.signer().problems().is_empty() {
            self.signer.store(Arc::new(new));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The public keys that sign here.
    #[must_use]
    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        self.signer().public_keys()
    }

    /// Whether requests can be answered truthfully now.
    ///
    /// # Errors
    /// The reasons why not, for the operator.
    pub(crate) async fn readiness(&self) -> Result<(), Vec<NotReady>> {
        let mut reasons: Vec<NotReady> =
            self.signer().problems().iter().cloned().map(NotReady::Key).collect();
        if let Err(error) = self.store.readiness().await {
            reasons.push(NotReady::Store(error));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }
}

/// Why a server is not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    /// A configured key cannot be used.
    #[error("{0}")]
    Key(String),
    /// The store cannot be read.
    #[error("{0}")]
    Store(StoreError),
}

fn report(signer: &Signer) {
    for problem in signer.problems() {
        tracing::error!("{problem}; narinfos are answered with 503 until then");
    }
    tracing::info!("{}", signer.vouches_for());
}
