//! The graph of an index, as of one moment.

use super::graph::Graph;
use crate::index::{Index, IndexError, NarRow, PathRow};

/// Reads everything that the index knows of paths and NARs.
pub(super) async fn load(index: &dyn Index) -> Result<Graph, IndexError> {
    let mut snapshot = index.snapshot().await?;
    let mut graph = Graph::default();
    let mut after = 0;
    loop {
        let rows: Vec<NarRow> = snapshot.nars(after).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        graph.add_nars(&rows);
    }
    after = 0;
    loop {
        let rows: Vec<PathRow> = snapshot.paths(after).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        graph.add_paths(&rows);
    }
    let mut last = (0, 0);
    loop {
        let rows = snapshot.edges(last).await?;
        let Some(end) = rows.last() else { break };
        last = *end;
        graph.add_edges(&rows);
    }
    last = (0, 0);
    loop {
        let rows = snapshot.rooted(last).await?;
        let Some(end) = rows.last() else { break };
        last = *end;
        graph.add_rooted(&rows);
    }
    Ok(graph)
}
