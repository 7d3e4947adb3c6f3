//! The space that would be free without a root: exact, by the difference of closures, in bounded time.

use std::collections::BTreeMap;

use rns_formats::RootName;

use super::FreedByRoot;

/// The paths that roots keep, by dense numbers, with their NARs and references.
pub trait ClosureGraph {
    /// The number of paths.
    fn path_count(&self) -> usize;

    /// The number of NARs. Several paths may have the same.
    fn nar_count(&self) -> usize;

    /// The NAR of a path.
    fn nar(&self, path: usize) -> Option<usize>;

    /// The length of a NAR as it is stored, in bytes.
    fn nar_bytes(&self, nar: usize) -> u64;

    /// The paths that a path refers to.
    fn references(&self, path: usize) -> impl Iterator<Item = usize>;
}

/// For each root, by the paths that it names, its closure and the part that it alone needs. `None`: more than `max_visits` paths
/// would have to be visited, those of each root by themselves and twice.
#[must_use]
pub fn freed_by_roots(
    graph: &impl ClosureGraph,
    named: BTreeMap<RootName, Vec<usize>>,
    max_visits: u64,
) -> Option<BTreeMap<RootName, FreedByRoot>> {
    let (paths, nars) = (graph.path_count(), graph.nar_count());
    let mut visited =
        Visited { paths: Marks::new(paths), nars: Marks::new(nars), visits_left: max_visits };
    // How many roots need each path, and each NAR.
    let (mut path_users, mut nar_users) = (vec![0_u32; paths], vec![0_u32; nars]);
    for tops in named.values() {
        visited.closure(graph, tops, |path, nar| {
            count(&mut path_users, path);
            nar.into_iter().for_each(|nar| count(&mut nar_users, nar));
        })?;
    }
    let is_only = |users: &[u32], number: usize| users.get(number) == Some(&1);
    let mut sizes = BTreeMap::new();
    for (name, tops) in named {
        let mut sum = FreedByRoot::default();
        visited.closure(graph, &tops, |path, nar| {
            sum.paths += 1;
            sum.freed_paths += u64::from(is_only(&path_users, path));
            if let Some(nar) = nar {
                let bytes = graph.nar_bytes(nar);
                sum.bytes += bytes;
                sum.freed_bytes += if is_only(&nar_users, nar) { bytes } else { 0 };
            }
        })?;
        sizes.insert(name, sum);
    }
    Some(sizes)
}

fn count(users: &mut [u32], number: usize) {
    if let Some(count) = users.get_mut(number) {
        *count += 1;
    }
}

/// Marks that are forgotten all at once.
struct Marks {
    marks: Vec<u32>,
    round: u32,
}

/// The marks of paths and NARs.
struct Visited {
    paths: Marks,
    nars: Marks,
    visits_left: u64,
}

impl Marks {
    fn new(length: usize) -> Self {
        Self { marks: vec![0; length], round: 0 }
    }

    /// Forgets all marks. Rounds are fewer than numbers: each visits a path at least.
    const fn clear(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Returns true for a number without a mark, which has one then.
    fn mark(&mut self, number: usize) -> bool {
        let mark = self.marks.get_mut(number);
        mark.is_some_and(|mark| std::mem::replace(mark, self.round) != self.round)
    }
}

impl Visited {
    /// Tells every path of a closure once, with its NAR where that was not told before. `None`: too many were visited.
    fn closure(
        &mut self,
        graph: &impl ClosureGraph,
        tops: &[usize],
        mut tell: impl FnMut(usize, Option<usize>),
    ) -> Option<()> {
        self.paths.clear();
        self.nars.clear();
        let mut waiting: Vec<usize> =
            tops.iter().copied().filter(|path| self.paths.mark(*path)).collect();
        while let Some(path) = waiting.pop() {
            self.visits_left = self.visits_left.checked_sub(1)?;
            tell(path, graph.nar(path).filter(|nar| self.nars.mark(*nar)));
            waiting.extend(graph.references(path).filter(|path| self.paths.mark(*path)));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 is elsewhere; 4 has the same NAR as 0.
    struct Graph;

    impl ClosureGraph for Graph {
        fn path_count(&self) -> usize {
            5
        }

        fn nar_count(&self) -> usize {
            3
        }

        fn nar(&self, path: usize) -> Option<usize> {
            [Some(0), Some(1), Some(2), None, Some(0)][path]
        }

        fn nar_bytes(&self, nar: usize) -> u64 {
            [100, 20, 3][nar]
        }

        fn references(&self, path: usize) -> impl Iterator<Item = usize> {
            let references: [&[usize]; 5] = [&[1, 3], &[0, 3], &[1], &[], &[]];
            references[path].iter().copied()
        }
    }

    fn named() -> BTreeMap<RootName, Vec<usize>> {
        let named = [("a", vec![0, 1]), ("b", vec![2]), ("c", vec![4])];
        named.map(|(name, paths)| (RootName::parse(name).unwrap(), paths)).into()
    }

    #[test]
    fn what_two_roots_need_is_freed_by_neither() {
        let freed = freed_by_roots(&Graph, named(), 100).unwrap();
        let of = |name: &str| {
            let FreedByRoot { paths, bytes, freed_paths, freed_bytes } =
                freed[&RootName::parse(name).unwrap()];
            (paths, bytes, freed_paths, freed_bytes)
        };
        // 1 needs 0 and 0 needs 1: b needs both, and a nothing else.
        assert_eq!(of("a"), (3, 120, 0, 0));
        assert_eq!(of("b"), (4, 123, 1, 3));
        assert_eq!(of("c"), (1, 100, 1, 0));
    }

    #[test]
    fn a_computation_that_takes_too_long_is_given_up() {
        assert!(freed_by_roots(&Graph, named(), 16).is_some(), "eight paths, twice");
        assert!(freed_by_roots(&Graph, named(), 15).is_none());
    }
}
