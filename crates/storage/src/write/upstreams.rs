//! Paths that clients can always get from named upstream caches, so that they need not be stored here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use reqwest::{Client, StatusCode};
use rns_cache::{PathRecord, tasks_block_each_other};
use rns_formats::{HashPart, MAX_NARINFO_BYTES, NarInfo, NarInfoError, StoreDir};
use tokio::runtime::Handle;
use url::Url;

use super::{Elsewhere, Presence};
use crate::read::record_of;

/// How long a path that an upstream has is taken for granted. That it has none is never remembered.
const PRESENCE_TTL: Duration = Duration::from_secs(3600);

/// Paths that are remembered.
const MAX_REMEMBERED_UPSTREAM_PATHS: usize = 8_192;

/// How long an upstream may take to answer: an upload waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Upstream caches that are always available.
pub struct Upstreams {
    all: Arc<AllUpstreams>,
    /// The runtime that the connections to them live on, also those that are needed on threads which block.
    runtime: Option<Handle>,
}

struct AllUpstreams {
    upstreams: Vec<Upstream>,
    store_dir: StoreDir,
    client: Client,
    present: Cache<HashPart, (Instant, Arc<PathRecord>)>,
}

struct Upstream {
    url: Url,
    /// Whether it was told that it cannot be reached.
    is_failing: AtomicBool,
}

impl Upstreams {
    /// Asks the caches at these URLs, one after the other.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(urls: Vec<Url>, store_dir: StoreDir) -> Result<Self, reqwest::Error> {
        // The TLS of the HTTP client has no cryptography of its own; a second call changes nothing.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("rust-nix-serve/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let upstreams =
            urls.into_iter().map(|url| Upstream { url, is_failing: AtomicBool::new(false) });
        let upstreams = upstreams.collect();
        let present = Cache::new(MAX_REMEMBERED_UPSTREAM_PATHS);
        let all = Arc::new(AllUpstreams { upstreams, store_dir, client, present });
        Ok(Self { all, runtime: Handle::try_current().ok() })
    }
}

impl AllUpstreams {
    async fn ask(&self, upstream: &Upstream, hash: &HashPart) -> Presence {
        let Upstream { url, is_failing } = upstream;
        match self.try_ask(url, hash).await {
            Ok(found) => {
                if is_failing.swap(false, Relaxed) {
                    tracing::info!("the upstream {url} can be used again");
                }
                found.map_or(Presence::Missing, |record| Presence::Here(Box::new(record)))
            }
            Err(why @ (UpstreamError::Http(_) | UpstreamError::Status(_))) => {
                // Clients ask for thousands of paths: it is told once.
                if !is_failing.swap(true, Relaxed) {
                    tracing::warn!(
                        "the upstream {url} cannot be used, its paths count as missing: {why}"
                    );
                }
                Presence::Unknown
            }
            Err(why) => {
                tracing::warn!("the upstream {url} says nothing usable of {hash}: {why}");
                Presence::Unknown
            }
        }
    }

    async fn try_ask(
        &self,
        url: &Url,
        hash: &HashPart,
    ) -> Result<Option<PathRecord>, UpstreamError> {
        let mut base = url.clone();
        base.set_path(&format!("{}/", url.path().trim_end_matches('/')));
        let narinfo = base.join(&format!("{hash}.narinfo"))?;
        let mut answer = self.client.get(narinfo).send().await?;
        match answer.status() {
            StatusCode::OK => {}
            // S3 answers 403 for missing objects.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            other => return Err(UpstreamError::Status(other)),
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_NARINFO_BYTES {
                return Err(UpstreamError::TooLong);
            }
        }
        let text = String::from_utf8_lossy(&text);
        let mut found = NarInfo::parse(&text, &self.store_dir)?;
        if found.store_path.hash_part() != *hash {
            return Err(UpstreamError::OtherPath);
        }
        found.url = base.join(&found.url)?.to_string();
        Ok(Some(record_of(&found, &text)))
    }
}

/// Why an upstream could not be asked.
#[derive(Debug, thiserror::Error)]
enum UpstreamError {
    #[error(transparent)]
    Url(#[from] url::ParseError),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error(transparent)]
    NarInfo(#[from] NarInfoError),
    #[error("its narinfo is too long")]
    TooLong,
    #[error("its narinfo is about another path")]
    OtherPath,
}

#[async_trait]
impl Elsewhere for Upstreams {
    async fn record(&self, hash: &HashPart) -> Presence {
        match &self.runtime {
            Some(runtime) if tasks_block_each_other() => {
                let (all, hash) = (Arc::clone(&self.all), *hash);
                let asked = runtime.spawn(async move { all.record(&hash).await });
                asked.await.unwrap_or(Presence::Unknown)
            }
            _ => self.all.record(hash).await,
        }
    }
}

impl AllUpstreams {
    async fn record(&self, hash: &HashPart) -> Presence {
        if let Some((since, record)) = self.present.get(hash)
            && since.elapsed() < PRESENCE_TTL
        {
            return Presence::Here(Box::new((*record).clone()));
        }
        let mut outcome = Presence::Missing;
        for upstream in &self.upstreams {
            match self.ask(upstream, hash).await {
                Presence::Here(record) => {
                    self.present.insert(*hash, (Instant::now(), Arc::new((*record).clone())));
                    return Presence::Here(record);
                }
                Presence::Unknown => outcome = Presence::Unknown,
                Presence::Missing => {}
            }
        }
        outcome
    }
}
