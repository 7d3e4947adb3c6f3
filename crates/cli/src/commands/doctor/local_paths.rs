//! Paths that a cache may have: those that the user names, else some of the local store.

use std::{fs, path::PathBuf};

use rns_formats::{HashPart, StorePath};
use rns_nix_store::StoreConfig;

use crate::commands::inspect::PathInStore;

/// Paths of the local store that are asked for.
const MAX_ASKED_PATHS: usize = 64;

/// Names of the store directory that are read, of which the candidates are taken evenly.
const MAX_STORE_NAMES: usize = 20_000;

/// The named paths, else some of the local store.
pub(super) fn candidates(named: &[PathBuf], store: &StoreConfig) -> anyhow::Result<Vec<HashPart>> {
    if !named.is_empty() {
        let hash = |path: &PathBuf| Ok(PathInStore::parse(path, &store.store_dir)?.hash);
        return named.iter().map(hash).collect();
    }
    // Without a local store there are none.
    let Ok(names) = fs::read_dir(&store.real_dir) else { return Ok(Vec::new()) };
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let paths = names.filter(|name| !name.ends_with(".drv") && !name.ends_with(".lock"));
    let paths = paths.filter_map(|name| StorePath::parse(&name).ok()).take(MAX_STORE_NAMES);
    let mut hashes: Vec<HashPart> = paths.map(|path| path.hash_part()).collect();
    hashes.sort_unstable();
    let step = hashes.len().div_ceil(MAX_ASKED_PATHS).max(1);
    Ok(hashes.into_iter().step_by(step).collect())
}
