//! The paths that go first when room is needed, for the page.

use std::{collections::HashMap, time::SystemTime};

use rns_storage::{
    collect::{Preview, first_to_go},
    index::IndexError,
    retention::Retention,
    write::Storage,
};

use super::stats::SharedStats;

/// Paths that are named.
const MAX_NAMED_PATHS: usize = 10;

/// Finds them out after a look at everything.
pub(super) async fn note(
    storage: &Storage,
    retention: &Retention,
    found: &Preview,
    stats: &SharedStats,
) -> Result<(), IndexError> {
    let Preview { graph, plan, .. } = found;
    let first = first_to_go(graph, plan, retention, MAX_NAMED_PATHS, SystemTime::now());
    let ids: Vec<i64> = first.iter().filter_map(|path| graph.id(*path)).collect();
    let names: HashMap<_, _> = storage.index().paths(&ids).await?.into_iter().collect();
    let first = first.into_iter().filter_map(|path| {
        let name = names.get(&graph.id(path)?)?;
        Some((name.to_string(), graph.file_size(path)))
    });
    stats.first_to_go(first.collect());
    Ok(())
}
