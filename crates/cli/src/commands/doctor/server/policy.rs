//! Policies with which clients can use nothing: nothing is shown, or nothing is signed.

use std::time::Duration;

use rns_cache::{BinaryCache, CacheError, CacheFactory as _, PathRecord};
use rns_doctor::{Finding, FindingId, Outcome};
use rns_formats::{HashPart, PathInfo};
use rns_nix_store::{LocalCaches, LocalStore, StoreConfig};
use rns_server::config::{CacheConfig, SigningPolicy};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{commands::doctor::local_paths, config::Loaded};

/// The pause before a policy is asked again that is still being evaluated.
const EVALUATION_INTERVAL: Duration = Duration::from_millis(50);

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    if !loaded.backends.has_local_store {
        return Outcome::NotApplicable;
    }
    let config = StoreConfig { daemon_socket: None, nar_cache: None, ..loaded.store.clone() };
    let paths = match local_paths::candidates(&[], &config) {
        Ok(paths) if paths.is_empty() => return Outcome::NotApplicable,
        Ok(paths) => paths,
        Err(error) => return Outcome::Unchecked(error.to_string()),
    };
    // Else a policy that waits for the database would be waited for.
    let readable = LocalStore::open(config.clone());
    match spawn_blocking(move || readable.readable_blocking()).await {
        Ok(Ok(())) => {}
        // The database has a check of its own.
        Ok(Err(error)) => return Outcome::Unchecked(error.to_string()),
        Err(error) => return Outcome::Unchecked(error.to_string()),
    }
    let caches = LocalCaches::open(config);
    let mut findings = Vec::new();
    for (name, cache) in loaded.server.caches.all() {
        let shown = caches.cache(name, &cache.expose);
        let table = name.map(|name| format!("cache.{name}.")).unwrap_or_default();
        let (mut seen, mut unsigned) = (0, None);
        for hash in &paths {
            match asked(&*shown, *hash).await {
                Ok(Some(record)) => {
                    seen += 1;
                    let info = record.info;
                    unsigned = unsigned.or_else(|| is_unsigned(&info, cache).then_some(info));
                }
                Ok(None) => {}
                Err(error) => return Outcome::Unchecked(error.to_string()),
            }
        }
        findings.extend(finding(&table, seen, unsigned.as_deref(), loaded));
    }
    Outcome::of(findings, "paths of the store are shown and signed")
}

/// Asks again while the policy is being evaluated. The check as a whole has its time.
async fn asked(cache: &dyn BinaryCache, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
    loop {
        match cache.path_info(hash).await {
            Err(CacheError::Unavailable { .. }) => sleep(EVALUATION_INTERVAL).await,
            answer => return answer,
        }
    }
}

fn finding(
    table: &str,
    seen: usize,
    unsigned: Option<&PathInfo>,
    loaded: &Loaded,
) -> Option<Finding> {
    if seen == 0 && loaded.backends.storage.is_none() {
        return Some(Finding::new(
            FindingId::PolicyShowsNothing,
            format!(
                "[{table}expose] shows none of the paths of the local store that were looked at"
            ),
            format!(
                "rust-nix-serve config show   # roots that are not there show nothing; or {table}expose.everything = true"
            ),
        ));
    }
    let path = &unsigned?.path;
    Some(Finding::new(
        FindingId::PolicyLeavesUnsigned,
        format!("{path} is shown, and sent without any signature"),
        format!(
            "{table}signing.keys = [FILE]   # of rust-nix-serve key generate, and {table}signing.policy = \"add\""
        ),
    ))
}

/// Returns true for a path that clients get without a signature, and that does not prove itself.
fn is_unsigned(info: &PathInfo, cache: &CacheConfig) -> bool {
    if !info.signatures.is_empty() || info.ca.is_some() {
        return false;
    }
    match cache.signing.policy {
        _ if cache.signing.keys.is_empty() => true,
        SigningPolicy::Add | SigningPolicy::Replace => false,
        // Only paths that were built here are signed.
        SigningPolicy::Ultimate => !info.ultimate,
        SigningPolicy::Keep | SigningPolicy::SignedBy(_) => true,
    }
}
