//! The order in which paths become visible: each after all that it refers to.

use std::{collections::HashMap, sync::Arc};

use rns_formats::{HashPart, PathInfo};

/// The paths of one push, and their states. Paths are named by their numbers.
pub(crate) struct PushOrder {
    pub(crate) paths: Vec<Arc<PathInfo>>,
    /// The paths that refer to each.
    referrers: Vec<Vec<usize>>,
    /// The number of paths that each refers to and that are not visible yet.
    waits_for: Vec<usize>,
    settled: Vec<bool>,
}

impl PushOrder {
    /// The largest paths come first. References to paths that are not among these are there already.
    pub(crate) fn new(mut paths: Vec<Arc<PathInfo>>) -> Self {
        paths.sort_by(|one, other| {
            other.nar_size.cmp(&one.nar_size).then_with(|| one.path.cmp(&other.path))
        });
        let numbers: HashMap<HashPart, usize> = paths
            .iter()
            .enumerate()
            .map(|(number, info)| (info.path.hash_part(), number))
            .collect();
        let mut referrers = vec![Vec::new(); paths.len()];
        let mut waits_for = vec![0; paths.len()];
        for (number, info) in paths.iter().enumerate() {
            let others = info.references.iter().filter(|path| **path != info.path);
            for reference in others.filter_map(|path| numbers.get(&path.hash_part())) {
                if let (Some(list), Some(count)) =
                    (referrers.get_mut(*reference), waits_for.get_mut(number))
                {
                    list.push(number);
                    *count += 1;
                }
            }
        }
        let settled = vec![false; paths.len()];
        Self { paths, referrers, waits_for, settled }
    }

    /// Returns true if all that a path refers to is visible.
    pub(crate) fn is_free(&self, number: usize) -> bool {
        self.waits_for.get(number) == Some(&0)
    }

    /// Returns true for a path that is visible, or has failed.
    pub(crate) fn is_settled(&self, number: usize) -> bool {
        self.settled.get(number) == Some(&true)
    }

    /// A path is visible. Returns those that waited for nothing else.
    pub(crate) fn visible(&mut self, number: usize) -> Vec<usize> {
        self.settle(number);
        let mut freed = Vec::new();
        for referrer in self.referrers.get(number).into_iter().flatten() {
            if let Some(count) = self.waits_for.get_mut(*referrer) {
                *count -= 1;
                if *count == 0 {
                    freed.push(*referrer);
                }
            }
        }
        freed
    }

    /// A path has failed. Returns those that lead to it, each with the reference that it misses.
    pub(crate) fn failed(&mut self, number: usize) -> Vec<(usize, usize)> {
        self.settle(number);
        let mut lost = Vec::new();
        let mut open = vec![number];
        while let Some(reference) = open.pop() {
            let referrers = self.referrers.get(reference).cloned().unwrap_or_default();
            for referrer in referrers {
                if !self.is_settled(referrer) {
                    self.settle(referrer);
                    lost.push((referrer, reference));
                    open.push(referrer);
                }
            }
        }
        lost
    }

    fn settle(&mut self, number: usize) {
        if let Some(settled) = self.settled.get_mut(number) {
            *settled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::{Sha256Digest, StorePath};

    use super::*;

    fn path(letter: char) -> StorePath {
        StorePath::parse(&format!("{}-x", letter.to_string().repeat(32))).unwrap()
    }

    fn info(letter: char, nar_size: u64, references: &str) -> Arc<PathInfo> {
        Arc::new(PathInfo {
            path: path(letter),
            nar_hash: Sha256Digest::of(b""),
            nar_size,
            references: references.chars().map(path).collect(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            provenance: None,
            unknown: Vec::new(),
            ultimate: false,
            registration_time: 0,
        })
    }

    /// `c` refers to `b` and itself, `b` to `a`, and `d` to nothing that is pushed.
    fn order() -> PushOrder {
        PushOrder::new(vec![
            info('a', 1, ""),
            info('b', 5, "a"),
            info('c', 9, "bc"),
            info('d', 3, "f"),
        ])
    }

    #[test]
    fn the_largest_come_first_and_references_become_visible_before() {
        let mut order = order();
        let sizes: Vec<u64> = order.paths.iter().map(|info| info.nar_size).collect();
        assert_eq!(sizes, [9, 5, 3, 1]);
        let free: Vec<usize> = (0..4).filter(|number| order.is_free(*number)).collect();
        assert_eq!(free, [2, 3]);
        assert_eq!(order.visible(3), [1]);
        assert_eq!(order.visible(1), [0]);
        assert_eq!(order.visible(0), Vec::<usize>::new());
    }

    #[test]
    fn what_leads_to_a_failure_is_lost_and_nothing_else() {
        let mut order = order();
        assert_eq!(order.failed(3), [(1, 3), (0, 1)]);
        assert!(order.is_settled(0) && order.is_settled(1) && !order.is_settled(2));
    }
}
