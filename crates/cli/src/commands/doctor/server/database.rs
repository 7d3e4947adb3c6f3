//! The database of the local store.

use rns_cache::CacheError;
use rns_doctor::{Finding, FindingId, Outcome};
use rns_nix_store::{LocalStore, StoreConfig};
use tokio::task::spawn_blocking;

use crate::config::Loaded;

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    if !loaded.backends.has_local_store {
        return Outcome::NotApplicable;
    }
    let database = loaded.store.database.display().to_string();
    let config = StoreConfig { daemon_socket: None, nar_cache: None, ..loaded.store.clone() };
    let read = spawn_blocking(|| LocalStore::open(config).readable_blocking()).await;
    let error = match read {
        Ok(Ok(())) => return Outcome::Sound(format!("{database} can be read")),
        Ok(Err(error)) => error,
        Err(error) => return Outcome::Unchecked(error.to_string()),
    };
    let (what, remedy) = match error {
        CacheError::Unavailable { what, remedy } => (what, remedy.to_owned()),
        other => (other.to_string(), "nix-store --verify".to_owned()),
    };
    // Any program of Nix that opens the database makes the files beside it again.
    let mend = format!("nix-store --init   # as root, once; or: {remedy}");
    Outcome::wrong(Finding::new(FindingId::DatabaseUnreadable, what, mend))
}
