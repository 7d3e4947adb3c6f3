//! The order in which pushed paths go when the disk is full: the least recently needed go first.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use rns_formats::StorePath;

use crate::questions::Closures;

/// Pushed paths that are of use together: one, and those only it needs that were not pushed or told of since.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RemovalGroup {
    /// Those that have links.
    pub(super) paths: Vec<StorePath>,
    /// Bytes that no remaining path needs.
    pub(super) bytes: u64,
}

/// The links that go, the least recent ones first. The closures of `kept` stay, and a path that a later link needs goes with
/// that one: to let go of it alone would free nothing.
pub(super) fn least_recent(
    closures: &Closures,
    kept: &[StorePath],
    links: &BTreeMap<StorePath, SystemTime>,
) -> Vec<RemovalGroup> {
    let mut references: HashMap<i64, Vec<i64>> = HashMap::new();
    for (referrer, reference) in &closures.edges {
        references.entry(*referrer).or_default().push(*reference);
    }
    let sizes = closures.paths.iter();
    let sizes: HashMap<i64, u64> = sizes.map(|(id, bytes)| (*id, bytes.unwrap_or(0))).collect();
    // The group of each path that was visited; `None` for kept ones.
    let mut groups: HashMap<i64, Option<usize>> = HashMap::new();
    let mut visit = |top: i64, group: Option<usize>| {
        let (mut next, mut bytes) = (vec![top], 0);
        while let Some(id) = next.pop() {
            if let std::collections::hash_map::Entry::Vacant(entry) = groups.entry(id) {
                entry.insert(group);
                bytes += sizes.get(&id).copied().unwrap_or(0);
                next.extend(references.get(&id).into_iter().flatten());
            }
        }
        (groups.get(&top).copied().flatten(), bytes)
    };
    for path in kept {
        if let Some(row) = closures.rows.get(path) {
            visit(*row, None);
        }
    }
    let mut latest_first: Vec<_> = links.iter().collect();
    latest_first.sort_by_key(|(path, renewed)| (std::cmp::Reverse(**renewed), *path));
    let mut going: Vec<RemovalGroup> = Vec::new();
    for (path, _) in latest_first {
        // One that was collected nevertheless has a link until its time is over.
        let Some(row) = closures.rows.get(path) else { continue };
        let new = going.len();
        let (group, bytes) = visit(*row, Some(new));
        if group == Some(new) {
            going.push(RemovalGroup { paths: Vec::new(), bytes });
        }
        if let Some(group) = group.and_then(|group| going.get_mut(group)) {
            group.paths.push(path.clone());
        }
    }
    going.reverse();
    going
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn path(number: i64) -> StorePath {
        StorePath::parse(&format!("{number:032}-x")).unwrap()
    }

    /// Paths with these numbers, each of as many bytes, that refer to each other.
    fn closures(numbers: &[i64], edges: &[(i64, i64)]) -> Closures {
        Closures {
            rows: numbers.iter().map(|id| (path(*id), *id)).collect(),
            paths: numbers.iter().map(|id| (*id, Some(id.unsigned_abs()))).collect(),
            edges: edges.to_vec(),
        }
    }

    fn links(numbers: &[i64]) -> BTreeMap<StorePath, SystemTime> {
        let time = |age| SystemTime::UNIX_EPOCH + Duration::from_secs(age);
        (1..).zip(numbers).map(|(age, number)| (path(*number), time(age))).collect()
    }

    fn going(paths: &[i64], bytes: u64) -> RemovalGroup {
        RemovalGroup { paths: paths.iter().map(|number| path(*number)).collect(), bytes }
    }

    #[test]
    fn what_was_pushed_longest_ago_goes_first() {
        let order = least_recent(&closures(&[1, 2, 3], &[]), &[], &links(&[2, 3, 1]));
        assert_eq!(order, [going(&[2], 2), going(&[3], 3), going(&[1], 1)]);
    }

    #[test]
    fn what_a_later_path_needs_goes_with_that() {
        // 1 was pushed first, and is needed by 3, which also needs 4, which was in the store.
        let closures = closures(&[1, 2, 3, 4], &[(3, 1), (3, 4), (2, 4), (1, 1)]);
        let order = least_recent(&closures, &[], &links(&[1, 2, 3]));
        assert_eq!(order, [going(&[2], 2), going(&[3, 1], 8)]);
    }

    #[test]
    fn what_is_kept_never_goes_and_what_is_gone_is_passed_over() {
        let mut closures = closures(&[1, 2, 3], &[(3, 1), (1, 3)]);
        closures.rows.remove(&path(2));
        let order = least_recent(&closures, &[path(3)], &links(&[1, 2, 3]));
        assert_eq!(order, []);
    }
}
