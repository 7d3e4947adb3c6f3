//! Paths that clients can always get from named upstream caches, so that they need not be stored here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use reqwest::{Client, StatusCode};
use rns_cache::PathRecord;
use rns_formats::{HashPart, NarInfo, StoreDir};
use url::Url;

use super::Elsewhere;
use crate::read::{MAX_NARINFO_BYTES, record_of};

/// How long a path that an upstream has is taken for granted. That it has none is never remembered.
const PRESENCE_TTL: Duration = Duration::from_secs(3600);

/// Paths that are remembered.
const MAX_REMEMBERED: usize = 65_536;

/// How long an upstream may take to answer: an upload waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Upstream caches that are always available.
pub struct Upstreams {
    urls: Vec<Url>,
    store_dir: StoreDir,
    client: Client,
    present: Cache<HashPart, (Instant, Arc<PathRecord>)>,
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
        Ok(Self { urls, store_dir, client, present: Cache::new(MAX_REMEMBERED) })
    }

    async fn ask(&self, url: &Url, hash: &HashPart) -> Option<PathRecord> {
        let mut base = url.clone();
        base.set_path(&format!("{}/", url.path().trim_end_matches('/')));
        let narinfo = base.join(&format!("{hash}.narinfo")).ok()?;
        let unusable = |why: String| {
            tracing::warn!("the upstream {url} cannot be used, its paths count as missing: {why}");
        };
        let answer = match self.client.get(narinfo).send().await {
            Ok(answer) => answer,
            Err(error) => {
                unusable(error.to_string());
                return None;
            }
        };
        match answer.status() {
            StatusCode::OK => {}
            // S3 answers 403 for what is missing.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => return None,
            other => {
                unusable(format!("it answers {other}"));
                return None;
            }
        }
        if answer.content_length().is_some_and(|length| length > MAX_NARINFO_BYTES) {
            return None;
        }
        let text = answer.text().await.inspect_err(|error| unusable(error.to_string())).ok()?;
        let mut found = NarInfo::parse(&text, &self.store_dir)
            .inspect_err(|error| unusable(error.to_string()))
            .ok()
            .filter(|found| found.store_path.hash_part() == *hash)?;
        found.url = base.join(&found.url).ok()?.to_string();
        Some(record_of(&found, &text))
    }
}

#[async_trait]
impl Elsewhere for Upstreams {
    async fn record(&self, hash: &HashPart) -> Option<PathRecord> {
        if let Some((since, record)) = self.present.get(hash)
            && since.elapsed() < PRESENCE_TTL
        {
            return Some((*record).clone());
        }
        for url in &self.urls {
            if let Some(record) = self.ask(url, hash).await {
                self.present.insert(*hash, (Instant::now(), Arc::new(record.clone())));
                return Some(record);
            }
        }
        None
    }
}
