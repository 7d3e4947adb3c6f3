//! The paths that are to be pushed, as users name them.

use std::{
    io::{self, BufRead as _},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow, bail};
use rns_formats::StorePath;
use rns_nix_store::StoreConfig;

use crate::{client_args::PushArgs, commands::inspect::PathInStore};

/// The named paths, and with `--stdin` those of standard input.
pub(super) fn read(args: &PushArgs, store: &StoreConfig) -> anyhow::Result<Vec<StorePath>> {
    let mut named = args.paths.clone();
    if args.stdin {
        for line in io::stdin().lock().lines() {
            let line = line.context("cannot read standard input")?;
            if !line.trim().is_empty() {
                named.push(PathBuf::from(line.trim()));
            }
        }
    }
    named.iter().map(|path| resolve(path, store)).collect()
}

/// Links that are followed, as those of profiles with generations.
const MAX_PROFILE_LINKS: usize = 8;

/// A path in the store, a base name, or a link that leads there. In a chroot store a link leads to the directory on disk,
/// or, as `nix build` makes it, to the name of the path, where nothing need be on this disk.
pub(in crate::commands) fn resolve(
    path: &std::path::Path,
    store: &StoreConfig,
) -> anyhow::Result<StorePath> {
    let on_disk = || {
        let real = path.canonicalize().ok()?;
        let inside = real.strip_prefix(store.real_dir.canonicalize().ok()?).ok()?;
        let base = inside.components().next()?.as_os_str().to_str()?;
        StorePath::parse(base).ok()
    };
    if let Ok(place) = PathInStore::parse(path, &store.store_dir) {
        if place.is_inside() {
            bail!("{} is inside a store path; whole paths are pushed", path.display());
        }
        if let Some(base) = place.base {
            return Ok(base);
        }
    }
    on_disk().or_else(|| linked(path, store)).ok_or_else(|| {
        anyhow!("{} does not name a path in {}", path.display(), store.store_dir.as_str())
    })
}

/// The store path that a link names.
fn linked(path: &std::path::Path, store: &StoreConfig) -> Option<StorePath> {
    let mut path = path.to_owned();
    for _ in 0..MAX_PROFILE_LINKS {
        let target = path.read_link().ok()?;
        path = path.parent()?.join(target);
        if let Ok(place) = PathInStore::parse(&path, &store.store_dir) {
            return if place.is_inside() { None } else { place.base };
        }
    }
    None
}
