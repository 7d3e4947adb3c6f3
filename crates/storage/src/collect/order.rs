//! The order in which paths go.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::graph::StorageGraph;

/// A path by its last use, in seconds since 1970: in a heap the least recently used one comes first.
pub(super) type LeastRecent = Reverse<(u32, usize)>;

/// The paths that go, none before one that refers to it, and how many have no such order.
pub(super) fn order(graph: &StorageGraph, goes: impl Fn(usize) -> bool) -> (Vec<usize>, u64) {
    let going: Vec<usize> = (0..graph.len()).filter(|path| goes(*path)).collect();
    let mut referrers = vec![0_u32; graph.len()];
    for path in &going {
        for reference in graph.references(*path) {
            if let Some(count) = referrers.get_mut(reference) {
                *count += 1;
            }
        }
    }
    let mut ready: BinaryHeap<LeastRecent> = BinaryHeap::new();
    let tops = going.iter().filter(|path| referrers.get(**path) == Some(&0));
    ready.extend(tops.map(|path| Reverse((graph.last_use(*path), *path))));
    let mut order = Vec::with_capacity(going.len());
    while let Some(Reverse((_, path))) = ready.pop() {
        order.push(path);
        for reference in graph.references(path) {
            let Some(count) = referrers.get_mut(reference) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 && goes(reference) {
                ready.push(Reverse((graph.last_use(reference), reference)));
            }
        }
    }
    let circular = (going.len() - order.len()) as u64;
    (order, circular)
}
