//! The order of removal in parts, each of which is one transaction.

use super::graph::StorageGraph;

/// Paths of one transaction: some milliseconds.
const MAX_REMOVAL_BATCH: usize = 200;

/// Divides paths, none of which comes before one that refers to it, into parts without references inside a part: a path is
/// claimed only when those that refer to it are gone.
pub(super) fn batches(graph: &StorageGraph, order: &[usize]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    // The first batch that a path may be in, because of its referrers.
    let mut first = vec![0_u32; graph.len()];
    // From each batch on, where there is room.
    let mut open: Vec<usize> = Vec::new();
    for path in order {
        let wanted = first.get(*path).map_or(0, |first| *first as usize);
        let number = room(&mut open, wanted);
        while batches.len() <= number {
            batches.push(Vec::new());
            open.push(open.len());
        }
        let Some(batch) = batches.get_mut(number) else { continue };
        batch.push(*path);
        if batch.len() == MAX_REMOVAL_BATCH
            && let Some(open) = open.get_mut(number)
        {
            *open += 1;
        }
        let next = u32::try_from(number + 1).unwrap_or(u32::MAX);
        for reference in graph.references(*path) {
            if let Some(first) = first.get_mut(reference) {
                *first = next.max(*first);
            }
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// The first batch from `wanted` on that has room. Chains of full ones are shortened.
fn room(open: &mut [usize], wanted: usize) -> usize {
    let mut number = wanted;
    while let Some(next) = open.get(number).copied().filter(|next| *next != number) {
        number = next;
    }
    let mut passed = wanted;
    while let Some(next) = open.get_mut(passed).filter(|next| **next != passed) {
        passed = std::mem::replace(next, number);
        if passed == number {
            break;
        }
    }
    number
}
