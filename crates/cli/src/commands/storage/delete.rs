//! `storage delete`: removes a path, and its referrers where that is wanted.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    path::Path,
};

use rns_cache::{PublishError, WritableCache as _};
use rns_formats::{HashPart, StoreDir, StorePath};
use rns_storage::{index::Index, write::Storage};
use serde_json::json;

use super::{operator::operator, report::report};
use crate::{
    args::StoragePlace,
    commands::inspect::PathInStore,
    config::Environment,
    output::{CommandAnswer, counted, tell},
};

/// Referrers of one path that are named.
const MAX_REFERRERS: usize = 100_000;

/// Roots of one path that are named.
const MAX_NAMED_ROOTS: usize = 100;

/// Removes a path. Refuses while others refer to it, unless these go too; and while a root names one of them.
pub(super) async fn run(
    storage: &Storage,
    path: &Path,
    with_referrers: bool,
    (store_dir, environment): (&StoreDir, &Environment),
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let hash = PathInStore::parse(path, store_dir)?.hash;
    let index = &**storage.index();
    let dependents = dependents(index, hash).await?;
    let mut roots = BTreeSet::new();
    for hash in dependents.iter().map(StorePath::hash_part).chain([hash]) {
        roots.extend(index.roots_naming(&hash, MAX_NAMED_ROOTS).await?);
    }
    if !roots.is_empty() {
        let names = roots.into_iter().collect::<Vec<_>>().join(", ");
        tell(&format!("it stays, since roots name it or its referrers: {names}"));
        tell("delete these roots first: rust-nix-serve pin remove NAME, with the same --config");
        return Ok(CommandAnswer::No);
    }
    if !dependents.is_empty() && !with_referrers {
        for path in &dependents {
            tell(&format!("{path} refers to it"));
        }
        let count = counted(dependents.len() as u64, "path");
        tell(&format!("--with-referrers deletes also its referrers: {count}"));
        return Ok(CommandAnswer::No);
    }
    let who = operator(environment, "storage delete");
    let mut deleted = Vec::new();
    // Referrers go first, in any order of the arguments.
    let mut left: Vec<HashPart> = dependents.iter().map(StorePath::hash_part).collect();
    left.push(hash);
    while !left.is_empty() {
        let before = left.len();
        let mut needed = Vec::new();
        for hash in left {
            match storage.delete(hash, &who).await {
                Ok(true) => deleted.push(hash),
                Ok(false) => {}
                Err(PublishError::Needed(_)) => needed.push(hash),
                Err(error) => return Err(error.into()),
            }
        }
        left = needed;
        if left.len() == before {
            tell("something that refers to it was pushed meanwhile: try again");
            return Ok(CommandAnswer::No);
        }
    }
    let mut text = String::new();
    for hash in &deleted {
        let name = dependents.iter().find(|path| path.hash_part() == *hash);
        let name = name.map_or_else(|| hash.to_string(), ToString::to_string);
        writeln!(text, "deleted {name}")?;
    }
    if deleted.is_empty() {
        tell(&format!("{} is not in the storage", path.display()));
    }
    let list: Vec<_> = deleted.iter().map(ToString::to_string).collect();
    report(place, &text, &json!({ "deleted": list }))?;
    Ok(if deleted.is_empty() { CommandAnswer::No } else { CommandAnswer::Yes })
}

/// Everything that needs a path, directly or not, the nearest last.
async fn dependents(index: &dyn Index, hash: HashPart) -> anyhow::Result<Vec<StorePath>> {
    let mut seen = HashSet::from([hash]);
    let (mut all, mut level) = (Vec::new(), vec![hash]);
    while !level.is_empty() {
        let mut next = Vec::new();
        for hash in level {
            for path in index.referrers(&hash, MAX_REFERRERS).await? {
                if seen.insert(path.hash_part()) {
                    next.push(path.hash_part());
                    all.push(path);
                }
            }
        }
        level = next;
    }
    all.reverse();
    Ok(all)
}
