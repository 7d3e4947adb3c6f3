//! Paths that clients can always get from named upstream caches, so that they need not be stored here.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use reqwest::{Client, StatusCode};
use rns_formats::HashPart;
use url::Url;

use super::Elsewhere;

/// How long a path that an upstream has is taken for granted. That it has none is never remembered.
const PRESENCE_TTL: Duration = Duration::from_secs(3600);

/// Paths that are remembered.
const MAX_REMEMBERED: usize = 262_144;

/// How long an upstream may take to answer: an upload waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Upstream caches that are always available.
pub struct Upstreams {
    urls: Vec<Url>,
    client: Client,
    present: Cache<HashPart, Instant>,
}

impl Upstreams {
    /// Asks the caches at these URLs, one after the other.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(urls: Vec<Url>) -> Result<Self, reqwest::Error> {
        // The TLS of the HTTP client has no cryptography of its own; a second call changes nothing.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("rust-nix-serve/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { urls, client, present: Cache::new(MAX_REMEMBERED) })
    }

    async fn ask(&self, url: &Url, hash: &HashPart) -> bool {
        let mut narinfo = url.clone();
        let path = format!("{}/{hash}.narinfo", url.path().trim_end_matches('/'));
        narinfo.set_path(&path);
        match self.client.head(narinfo).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => true,
            // S3 answers 403 for what is missing.
            Ok(answer) if matches!(answer.status().as_u16(), 403 | 404 | 410) => false,
            Ok(answer) => {
                tracing::warn!(
                    "the upstream {url} answers {}: its paths count as missing",
                    answer.status()
                );
                false
            }
            Err(error) => {
                tracing::warn!(
                    "the upstream {url} cannot be asked, its paths count as missing: {error}"
                );
                false
            }
        }
    }
}

#[async_trait]
impl Elsewhere for Upstreams {
    async fn has(&self, hash: &HashPart) -> bool {
        if self.present.get(hash).is_some_and(|since| since.elapsed() < PRESENCE_TTL) {
            return true;
        }
        for url in &self.urls {
            if self.ask(url, hash).await {
                self.present.insert(*hash, Instant::now());
                return true;
            }
        }
        false
    }
}
