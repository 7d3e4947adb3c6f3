//! A store that is opened without a daemon, and the reading of a NAR.

use std::time::Duration;

use rns_cache::{BlobBody, CacheError, Chunks as _};
use rns_formats::StorePath;
use rns_nix_store::{LocalStore, StoreConfig};
use rns_testing::FixtureStore;

pub(super) fn config(store: &FixtureStore) -> StoreConfig {
    StoreConfig {
        daemon_socket: None,
        busy_timeout: Duration::from_millis(50),
        ..StoreConfig::for_root(store.root(), store.store_dir().clone())
    }
}

pub(super) fn open(store: &FixtureStore) -> LocalStore {
    LocalStore::open(config(store))
}

/// All bytes of a range, or how far it came and why not further.
pub(super) async fn read(
    store: &LocalStore,
    path: &StorePath,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, (Vec<u8>, CacheError)> {
    let nar = store.nar(path.hash_part(), None).await.unwrap().expect("the path is valid");
    let range = range.unwrap_or(0..nar.size());
    match store.read_nar(&nar, range).await.unwrap().expect("the path is still there") {
        BlobBody::Whole(bytes) => Ok(bytes.to_vec()),
        BlobBody::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next_chunk().await {
                match chunk {
                    Ok(chunk) => all.extend_from_slice(&chunk),
                    Err(error) => return Err((all, error)),
                }
            }
            Ok(all)
        }
    }
}
