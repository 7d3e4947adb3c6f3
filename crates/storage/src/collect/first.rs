//! The paths that go first when room is needed.

use std::time::SystemTime;

use super::{
    graph::StorageGraph,
    plan::plan,
    verdict::{Plan, Verdict},
};
use crate::retention::Retention;

/// The first paths of those that stay by this plan, in the order in which they go when the limits are lower. Those that roots
/// or their age keep are not among them.
#[must_use]
pub fn first_to_go(
    graph: &StorageGraph,
    current: &Plan,
    retention: &Retention,
    count: usize,
    now: SystemTime,
) -> Vec<usize> {
    let nothing = Retention { max_size: Some(0), ..retention.clone() };
    let all = plan(graph, &nothing, 0, now).going.into_iter();
    let stays = |path: &usize| matches!(current.verdicts.get(*path), Some(Verdict::Kept(_)));
    all.filter(stays).take(count).collect()
}
