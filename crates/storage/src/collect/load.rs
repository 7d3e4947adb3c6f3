//! The graph of an index, as of one moment.

use std::collections::HashMap;

use super::graph::StorageGraph;
use crate::index::{Index, IndexError, IndexSnapshot, IndexedPathRow, NarRow};

/// Bytes of memory for the name of a root, beside its text.
const NAME_BYTES: usize = 64;

/// Reads everything that the index knows of paths and NARs.
pub(super) async fn load(index: &dyn Index) -> Result<StorageGraph, IndexError> {
    let mut snapshot = index.snapshot().await?;
    Ok(graph(&mut *snapshot, usize::MAX).await?.unwrap_or_default())
}

/// The same with the names of roots by their rows, in at most so many bytes of memory. `None`: it takes more.
pub(super) async fn load_at_most(
    index: &dyn Index,
    memory: usize,
) -> Result<Option<(StorageGraph, HashMap<i64, String>)>, IndexError> {
    let mut snapshot = index.snapshot().await?;
    let Some(graph) = graph(&mut *snapshot, memory).await? else { return Ok(None) };
    let (mut names, mut used, mut after) = (HashMap::new(), graph.memory(), 0);
    loop {
        let rows = snapshot.root_names(after).await?;
        let Some((last, _)) = rows.last() else { return Ok(Some((graph, names))) };
        after = *last;
        used += rows.iter().map(|(_, name)| name.len() + NAME_BYTES).sum::<usize>();
        if used > memory {
            return Ok(None);
        }
        names.extend(rows);
    }
}

/// `None`: it takes more than so many bytes of memory.
async fn graph(
    snapshot: &mut dyn IndexSnapshot,
    memory: usize,
) -> Result<Option<StorageGraph>, IndexError> {
    let mut graph = StorageGraph::default();
    let mut after = 0;
    loop {
        let rows: Vec<NarRow> = snapshot.nars(after).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        graph.add_nars(&rows);
        if graph.memory() > memory {
            return Ok(None);
        }
    }
    after = 0;
    loop {
        let rows: Vec<IndexedPathRow> = snapshot.paths(after).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        graph.add_paths(&rows);
        if graph.memory() > memory {
            return Ok(None);
        }
    }
    let mut last = (0, 0);
    loop {
        let rows = snapshot.edges(last).await?;
        let Some(end) = rows.last() else { break };
        last = *end;
        graph.add_edges(&rows);
        if graph.memory() > memory {
            return Ok(None);
        }
    }
    last = (0, 0);
    loop {
        let rows = snapshot.rooted(last).await?;
        let Some(end) = rows.last() else { break };
        last = *end;
        graph.add_rooted(&rows);
        if graph.memory() > memory {
            return Ok(None);
        }
    }
    Ok(Some(graph))
}
