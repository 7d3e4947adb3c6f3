//! The sizes of all roots, in bounded memory and time.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use rns_cache::{ClosureGraph, RootSizes, freed_by_roots};
use rns_formats::RootName;
use tokio::task::spawn_blocking;

use super::{graph::StorageGraph, load::load_at_most};
use crate::index::{Index, IndexError};

/// The limits of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootSizeLimits {
    /// Bytes of memory for the rows of the index: about a hundred for each path.
    pub memory: usize,
    /// Paths that are visited, those of each root by themselves, all together.
    pub visits: u64,
}

impl Default for RootSizeLimits {
    /// Two million paths, and some seconds.
    fn default() -> Self {
        Self { memory: 256 << 20, visits: 500_000_000 }
    }
}

/// Computes the sizes of all roots as of now. `None`: the index is larger than the limits.
///
/// # Errors
/// When the index cannot be asked.
pub async fn root_sizes(
    index: &dyn Index,
    limits: RootSizeLimits,
) -> Result<Option<RootSizes>, IndexError> {
    let as_of = SystemTime::now();
    let Some((graph, names)) = load_at_most(index, limits.memory).await? else { return Ok(None) };
    let computed = spawn_blocking(move || {
        let named = named(&graph, &names);
        freed_by_roots(&graph, named, limits.visits)
    });
    // A panic of the computation leaves them unknown as well.
    let sizes = computed.await.ok().flatten();
    Ok(sizes.map(|sizes| RootSizes { as_of, sizes }))
}

fn named(graph: &StorageGraph, names: &HashMap<i64, String>) -> BTreeMap<RootName, Vec<usize>> {
    let mut named: BTreeMap<RootName, Vec<usize>> = BTreeMap::new();
    for (root, path) in graph.roots() {
        if let Some(Ok(name)) = names.get(&root).map(|name| RootName::parse(name)) {
            named.entry(name).or_default().push(path);
        }
    }
    named
}

impl ClosureGraph for StorageGraph {
    fn path_count(&self) -> usize {
        self.len()
    }

    fn nar_count(&self) -> usize {
        self.nars().len()
    }

    fn nar(&self, path: usize) -> Option<usize> {
        self.nar_number(path)
    }

    fn nar_bytes(&self, nar: usize) -> u64 {
        self.nars().get(nar).map_or(0, |nar| nar.file_size)
    }

    fn references(&self, path: usize) -> impl Iterator<Item = usize> {
        Self::references(self, path)
    }
}
