//! Some paths of a storage: the first whose narinfos are listed.

use std::{fs, io, path::Path};

use futures_util::TryStreamExt as _;
use rns_cache::{CacheError, MAX_SAMPLE};
use rns_formats::HashPart;
use tokio::task::spawn_blocking;

use super::records::unavailable;
use crate::objects::Objects;

/// Names that are looked at: those of one page of a bucket's list.
const MAX_SAMPLED_NAMES: usize = 1000;

/// The ending of the objects that describe paths.
const EXTENSION: &str = ".narinfo";

pub(super) async fn sample(objects: &Objects) -> Result<Vec<HashPart>, CacheError> {
    if let Some(directory) = objects.directory() {
        // A walk through everything below it could begin with all of its NARs.
        let owned = directory.to_owned();
        let names = spawn_blocking(move || names_in(&owned)).await;
        let names = names.map_err(|_| CacheError::ShuttingDown)?;
        let names = names.map_err(CacheError::io("list", directory))?;
        return Ok(hash_parts(names.iter().map(String::as_str)));
    }
    let mut listed = objects.list(None);
    let mut names = Vec::new();
    while names.len() < MAX_SAMPLED_NAMES
        && let Some((key, _)) = listed.try_next().await.map_err(unavailable)?
    {
        names.push(key);
    }
    Ok(hash_parts(names.iter().map(|key| key.as_str())))
}

fn hash_parts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<HashPart> {
    let hashes = names.filter_map(|name| name.strip_suffix(EXTENSION));
    hashes.filter_map(|hash| HashPart::parse(hash).ok()).take(MAX_SAMPLE).collect()
}

/// The names of the directory itself. Blocks.
fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(directory)?.take(MAX_SAMPLED_NAMES);
    entries
        .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
        .collect()
}
