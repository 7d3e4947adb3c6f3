//! The space that would be free without a root: exact, by the difference of closures, in bounded memory and time.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use rns_cache::{FreedByRoot, RootSizes};
use rns_formats::RootName;
use tokio::task::spawn_blocking;

use super::{graph::Graph, load::load_at_most};
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

    /// Whether it had no mark.
    fn mark(&mut self, number: usize) -> bool {
        let mark = self.marks.get_mut(number);
        mark.is_some_and(|mark| std::mem::replace(mark, self.round) != self.round)
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
    // A panic of the computation leaves them unknown as well.
    let sizes = spawn_blocking(move || freed(&graph, &names, limits.visits)).await.ok().flatten();
    Ok(sizes.map(|sizes| RootSizes { as_of, sizes }))
}

/// For each root, its closure and the part that it alone needs.
fn freed(
    graph: &Graph,
    names: &HashMap<i64, String>,
    visits: u64,
) -> Option<BTreeMap<RootName, FreedByRoot>> {
    let mut named: BTreeMap<RootName, Vec<usize>> = BTreeMap::new();
    for (root, path) in graph.roots() {
        if let Some(Ok(name)) = names.get(&root).map(|name| RootName::parse(name)) {
            named.entry(name).or_default().push(path);
        }
    }
    let (paths, nars) = (graph.len(), graph.nars().len());
    let mut visited =
        Visited { paths: Marks::new(paths), nars: Marks::new(nars), visits_left: visits };
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
                let bytes = graph.nars().get(nar).map_or(0, |nar| nar.file_size);
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

impl Visited {
    /// Tells every path of a closure once, with its NAR where that was not told before. `None`: too many were visited.
    fn closure(
        &mut self,
        graph: &Graph,
        tops: &[usize],
        mut tell: impl FnMut(usize, Option<usize>),
    ) -> Option<()> {
        self.paths.clear();
        self.nars.clear();
        let mut waiting: Vec<usize> =
            tops.iter().copied().filter(|path| self.paths.mark(*path)).collect();
        while let Some(path) = waiting.pop() {
            self.visits_left = self.visits_left.checked_sub(1)?;
            let nar = graph.nar_number(path);
            tell(path, nar.filter(|nar| self.nars.mark(*nar)));
            waiting.extend(graph.references(path).filter(|path| self.paths.mark(*path)));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{NarRow, PathRow};

    /// 4 is elsewhere; 5 has the same NAR as 1.
    fn graph() -> (Graph, HashMap<i64, String>) {
        let mut graph = Graph::default();
        let nar = |(id, file_size)| NarRow { id, is_live: true, touched: 0, file_size };
        graph.add_nars(&[(11, 100), (12, 20), (13, 3)].map(nar));
        let path = |(id, nar)| PathRow { id, state: 2, nar, published: 0, touched: 0, used: 0 };
        let rows = [(1, Some(11)), (2, Some(12)), (3, Some(13)), (4, None), (5, Some(11))];
        graph.add_paths(&rows.map(path));
        graph.add_edges(&[(1, 2), (1, 4), (2, 1), (2, 4), (3, 2)]);
        graph.add_rooted(&[(1, 1), (1, 2), (2, 3), (3, 5)]);
        (graph, [(1, "a"), (2, "b"), (3, "c")].map(|(id, name)| (id, name.to_owned())).into())
    }

    #[test]
    fn what_two_roots_need_is_freed_by_neither() {
        let (graph, names) = graph();
        let freed = freed(&graph, &names, 100).unwrap();
        let of = |name: &str| {
            let FreedByRoot { paths, bytes, freed_paths, freed_bytes } =
                freed[&RootName::parse(name).unwrap()];
            (paths, bytes, freed_paths, freed_bytes)
        };
        // 2 needs 1 and 1 needs 2: b needs both, and a nothing else.
        assert_eq!(of("a"), (3, 120, 0, 0));
        assert_eq!(of("b"), (4, 123, 1, 3));
        assert_eq!(of("c"), (1, 100, 1, 0));
    }

    #[test]
    fn a_computation_that_takes_too_long_is_given_up() {
        let (graph, names) = graph();
        assert!(freed(&graph, &names, 16).is_some(), "eight paths, twice");
        assert!(freed(&graph, &names, 15).is_none());
    }
}
