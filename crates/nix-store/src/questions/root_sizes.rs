//! The sizes of roots, by the closures of the paths that they name.

use std::collections::{BTreeMap, HashMap};

use rns_cache::{ClosureGraph, FreedByRoot, freed_by_roots};
use rns_formats::{RootName, StorePath};

use super::closures::Closures;

/// Paths that are visited, those of each root by themselves, all together: some seconds.
const MAX_VISITS: u64 = 500_000_000;

/// The closures by dense numbers. In a Nix store each path has a NAR of its own.
struct StoreClosures {
    bytes: Vec<Option<u64>>,
    references: Vec<Vec<usize>>,
}

/// For each root, its closure and the part that it alone needs. `None`: that would take too long.
pub(crate) fn root_sizes(
    closures: &Closures,
    roots: Vec<(RootName, Vec<StorePath>)>,
) -> Option<BTreeMap<RootName, FreedByRoot>> {
    let numbers: HashMap<i64, usize> =
        closures.paths.iter().enumerate().map(|(number, (id, _))| (*id, number)).collect();
    let mut references = vec![Vec::new(); closures.paths.len()];
    for (referrer, reference) in &closures.edges {
        if let (Some(from), Some(to)) = (numbers.get(referrer), numbers.get(reference))
            && let Some(references) = references.get_mut(*from)
        {
            references.push(*to);
        }
    }
    let bytes = closures.paths.iter().map(|(_, bytes)| *bytes).collect();
    let named = roots.into_iter().map(|(name, paths)| {
        let rows = paths.iter().filter_map(|path| closures.rows.get(path));
        (name, rows.filter_map(|row| numbers.get(row).copied()).collect())
    });
    freed_by_roots(&StoreClosures { bytes, references }, named.collect(), MAX_VISITS)
}

impl ClosureGraph for StoreClosures {
    fn path_count(&self) -> usize {
        self.bytes.len()
    }

    fn nar_count(&self) -> usize {
        self.bytes.len()
    }

    fn nar(&self, path: usize) -> Option<usize> {
        self.bytes.get(path).copied().flatten().map(|_| path)
    }

    fn nar_bytes(&self, nar: usize) -> u64 {
        self.bytes.get(nar).copied().flatten().unwrap_or_default()
    }

    fn references(&self, path: usize) -> impl Iterator<Item = usize> {
        self.references.get(path).into_iter().flatten().copied()
    }
}
