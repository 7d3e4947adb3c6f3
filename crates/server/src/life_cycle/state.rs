//! The state that all requests share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rns_cache::CacheFactory;
use rns_formats::{PublicKey, StoreDir};

use crate::{
    auth::FailurePolicy,
    caches::{cache::Cache, registry::CacheRegistry},
    config::ServerConfig,
    connection::limits::Limiter,
    life_cycle::readiness::{ReadinessCache, ServerNotReady},
    metrics::Metrics,
    narinfo_cache::NarinfoCache,
    response::send_budget::SendBudget,
    router::uploads::places::UploadPlaces,
};

/// Listings that are made at the same time; each can be some MiB.
const MAX_LARGE_METADATA: usize = 4;

/// The shared state of a server.
pub(crate) struct ServerState {
    /// How the server was configured.
    pub(crate) config: ServerConfig,
    /// The named caches.
    pub(crate) caches: ArcSwap<CacheRegistry>,
    /// Limits of each client.
    pub(crate) limiter: Limiter,
    /// Answers to wrong credentials.
    pub(crate) failure_policy: FailurePolicy,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// The bound of everything on its way to clients.
    pub(crate) send_budget: SendBudget,
    /// Bounds requests that make large metadata, until it may be sent.
    pub(crate) large_metadata: SendBudget,
    /// The limits of uploads at the same time.
    pub(crate) upload_places: UploadPlaces,
    /// Rendered narinfos.
    pub(crate) narinfos: NarinfoCache,
    /// The last answer of the backends whether they are ready.
    readiness_cache: ReadinessCache,
}

impl ServerState {
    /// Loads the keys; opens nothing else. To be called where tasks can be spawned.
    #[must_use]
    pub(crate) fn new(config: ServerConfig, factory: Arc<dyn CacheFactory>) -> Self {
        let metrics = Metrics::new();
        let caches = CacheRegistry::new(factory, &config.caches);
        for cache in caches.all() {
            report(cache);
        }
        Self {
            caches: ArcSwap::from_pointee(caches),
            failure_policy: FailurePolicy::new(config.failure_policy.clone(), metrics.clone()),
            metrics,
            limiter: Limiter::new(&config.limits),
            send_budget: SendBudget::new(config.limits.downloads, config.limits.send_memory_bytes),
            upload_places: UploadPlaces::new(
                config.limits.uploads,
                config.limits.upload_memory_bytes,
            ),
            large_metadata: SendBudget::new(MAX_LARGE_METADATA, u64::MAX),
            narinfos: NarinfoCache::new(config.limits.narinfo_cache_bytes),
            readiness_cache: ReadinessCache::default(),
            config,
        }
    }

    /// The logical store directory of the caches.
    pub(crate) fn store_dir(&self) -> StoreDir {
        self.caches.load().default_cache().store.store_dir().clone()
    }

    /// Whether anything is being downloaded at the moment.
    pub(crate) fn is_downloading(&self) -> bool {
        self.send_budget.downloads() > 0
    }

    /// Answers for these caches from now on. Downloads and uploads that run are not touched.
    pub(crate) fn exchange(&self, caches: Arc<CacheRegistry>) {
        caches.factory().take_effect();
        self.caches.store(caches);
    }

    /// The public keys that sign in any of the caches.
    #[must_use]
    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        let mut keys = Vec::new();
        for cache in self.caches.load().all() {
            let more = cache.signer().public_keys();
            keys.extend(more.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>());
        }
        keys
    }

    /// Whether requests can be answered truthfully now.
    ///
    /// # Errors
    /// The reasons why not, for the operator.
    pub(crate) async fn readiness(&self) -> Result<(), Vec<ServerNotReady>> {
        let mut reasons = self.unusable_files();
        reasons.extend(self.unusable_store().await);
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// Problems of keys and tokens; known already.
    pub(crate) fn unusable_files(&self) -> Vec<ServerNotReady> {
        let mut reasons = Vec::new();
        for cache in self.caches.load().all() {
            reasons.extend(cache.signer().problems().iter().cloned().map(ServerNotReady::Key));
            reasons.extend(cache.access.problems().into_iter().map(ServerNotReady::Access));
        }
        reasons
    }

    /// The kinds of problems of the backends, at most a second old.
    pub(crate) async fn store_problems(&self) -> Vec<&'static str> {
        self.readiness_cache.kinds(self.unusable_store()).await
    }

    /// Problems of the backends; they are asked.
    pub(crate) async fn unusable_store(&self) -> Vec<ServerNotReady> {
        let mut reasons: Vec<ServerNotReady> = Vec::new();
        for cache in self.caches.load_full().all() {
            for reason in cache.store.readiness().await {
                let reason = match reason {
                    rns_cache::NotReady::Exposure(error) => {
                        ServerNotReady::Exposure(format!("{}{error}", cache.label()))
                    }
                    rns_cache::NotReady::Store(error) => ServerNotReady::Store(error.to_string()),
                };
                // Several caches may have one store.
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        if self.send_budget.is_full() {
            reasons.push(ServerNotReady::Full);
        }
        reasons
    }
}

fn report(cache: &Cache) {
    let signer = cache.signer();
    let label = cache.label();
    for problem in signer.problems() {
        tracing::error!("{label}{problem}; narinfos are answered with 503 until then");
    }
    for problem in cache.access.problems() {
        tracing::error!("{label}{problem}; no token is accepted until then");
    }
    // Nothing is sent that would be signed or not.
    if signer.problems().is_empty() {
        tracing::info!("{label}{}", signer.vouches_for());
    }
}
