//! The answers of a store besides path information and NARs.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "helpers of tests may fail as loudly as tests"
)]

mod debuginfo;
mod files;
mod health;
mod listing;
mod log;
mod nar_index;
mod realisation;

use std::{ops::Range, time::Duration};

use rns_cache::{Blob, BlobBody, CacheError, Chunks};
use rns_nix_store::{LocalStore, StoreConfig};
use rns_testing::FixtureStore;

fn config(store: &FixtureStore) -> StoreConfig {
    StoreConfig {
        daemon_socket: None,
        busy_timeout: Duration::from_millis(50),
        ..StoreConfig::for_root(store.root(), store.store_dir().clone())
    }
}

fn open(store: &FixtureStore) -> LocalStore {
    LocalStore::open(config(store))
}

/// The bytes of a range of a blob.
async fn read(blob: &dyn Blob, range: Range<u64>) -> Vec<u8> {
    match blob.read(range).await.unwrap().expect("it is there") {
        BlobBody::Whole(bytes) => bytes.to_vec(),
        BlobBody::Stream(chunks) => collect(chunks).await.unwrap(),
    }
}

/// All bytes of a body, or how far it came and why not further.
async fn collect(mut body: impl Chunks) -> Result<Vec<u8>, (Vec<u8>, CacheError)> {
    let mut all = Vec::new();
    while let Some(chunk) = body.next_chunk().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(error) => return Err((all, error)),
        }
    }
    Ok(all)
}
