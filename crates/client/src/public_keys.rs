//! The public keys that a cache names.

use reqwest::StatusCode;
use rns_formats::PublicKey;

use crate::{cache_client::CacheClient, error::RequestError, send::CacheRequest};

/// The longest list of keys, in bytes.
const MAX_KEYS_BYTES: usize = 64 << 10;

/// Statuses of servers that name no keys.
const NO_KEYS: [StatusCode; 3] = [StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::FORBIDDEN];

impl CacheClient {
    /// The keys that the cache names itself, in its order. They prove nothing: any server may name any keys. None where
    /// the server names none.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn public_keys(&self) -> Result<Vec<PublicKey>, RequestError> {
        let request = CacheRequest::get(self.below(self.url(), "pubkey")?, MAX_KEYS_BYTES);
        let reply = self.send(&request, &NO_KEYS).await?;
        if reply.status != StatusCode::OK {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&reply.body);
        Ok(text.lines().filter_map(|line| PublicKey::parse(line).ok()).collect())
    }
}
