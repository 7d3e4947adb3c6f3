//! What a store answers besides path information and NARs.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "helpers of tests may fail as loudly as tests"
)]

mod debuginfo;
mod files;
mod listing;
mod log;
mod nar_index;
mod realisation;
mod unchanged;

use std::time::Duration;

use rns_nix_store::{Chunks, LocalStore, StoreConfig, StoreError};
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

/// All bytes of a body, or how far it came and why not further.
async fn collect(mut body: impl Chunks) -> Result<Vec<u8>, (Vec<u8>, StoreError)> {
    let mut all = Vec::new();
    while let Some(chunk) = body.next_chunk().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(error) => return Err((all, error)),
        }
    }
    Ok(all)
}
