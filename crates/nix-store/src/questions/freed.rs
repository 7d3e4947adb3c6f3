//! The space that would be free without a root: exact, by the difference of closures.

use std::collections::{BTreeMap, HashMap};

use rns_cache::FreedByRoot;
use rns_formats::RootName;

/// The paths that all roots keep, by their ids in the database.
#[derive(Debug, Default)]
pub(crate) struct KeptByRoots {
    /// The name of a root, and a path that one of its revisions names.
    pub(crate) named: Vec<(String, i64)>,
    /// Paths, each with the id and the length in bytes of its NAR.
    pub(crate) paths: Vec<(i64, Option<(i64, i64)>)>,
    /// A path, and one that it refers to.
    pub(crate) edges: Vec<(i64, i64)>,
}

/// The same with dense numbers.
struct Graph {
    references: Vec<Vec<usize>>,
    /// The number and length of the NAR of each path.
    nars: Vec<Option<(usize, u64)>>,
}

/// Marks that are forgotten all at once.
struct Marks {
    marks: Vec<usize>,
    round: usize,
}

impl Marks {
    fn new(length: usize) -> Self {
        Self { marks: vec![0; length], round: 0 }
    }

    fn clear(&mut self) {
        self.round += 1;
    }

    /// Whether it had no mark.
    fn mark(&mut self, number: usize) -> bool {
        self.marks
            .get_mut(number)
            .is_some_and(|mark| std::mem::replace(mark, self.round) != self.round)
    }
}

/// For each root, its closure and the part that it alone needs.
pub(crate) fn freed(kept: &KeptByRoots) -> BTreeMap<RootName, FreedByRoot> {
    let numbers: HashMap<i64, usize> =
        kept.paths.iter().enumerate().map(|(number, (id, _))| (*id, number)).collect();
    let graph = Graph::new(kept, &numbers);
    let mut named: BTreeMap<RootName, Vec<usize>> = BTreeMap::new();
    for (name, path) in &kept.named {
        if let (Ok(name), Some(number)) = (RootName::parse(name), numbers.get(path)) {
            named.entry(name).or_default().push(*number);
        }
    }
    let mut marks = (Marks::new(graph.nars.len()), Marks::new(graph.nars.len()));
    // How many roots need each path, and each NAR.
    let mut users = (vec![0_u32; graph.nars.len()], vec![0_u32; graph.nars.len()]);
    for tops in named.values() {
        graph.visit(tops, &mut marks, |path, nar| {
            count(&mut users.0, path);
            if let Some((nar, _)) = nar {
                count(&mut users.1, nar);
            }
        });
    }
    let is_only = |users: &[u32], number: usize| users.get(number) == Some(&1);
    let sizes = named.into_iter().map(|(name, tops)| {
        let mut sum = FreedByRoot::default();
        graph.visit(&tops, &mut marks, |path, nar| {
            sum.paths += 1;
            sum.freed_paths += u64::from(is_only(&users.0, path));
            if let Some((nar, bytes)) = nar {
                sum.bytes += bytes;
                sum.freed_bytes += if is_only(&users.1, nar) { bytes } else { 0 };
            }
        });
        (name, sum)
    });
    sizes.collect()
}

fn count(users: &mut [u32], number: usize) {
    if let Some(count) = users.get_mut(number) {
        *count += 1;
    }
}

impl Graph {
    fn new(kept: &KeptByRoots, numbers: &HashMap<i64, usize>) -> Self {
        let mut references = vec![Vec::new(); kept.paths.len()];
        for (referrer, reference) in &kept.edges {
            if let (Some(from), Some(to)) = (numbers.get(referrer), numbers.get(reference))
                && let Some(references) = references.get_mut(*from)
            {
                references.push(*to);
            }
        }
        let mut nar_numbers = HashMap::new();
        let nars = kept.paths.iter().map(|(_, nar)| {
            let (id, bytes) = (*nar)?;
            let next = nar_numbers.len();
            Some((*nar_numbers.entry(id).or_insert(next), bytes.unsigned_abs()))
        });
        Self { nars: nars.collect(), references }
    }

    /// Tells every path of a closure once, with its NAR where that was not told before.
    fn visit(
        &self,
        tops: &[usize],
        (paths, nars): &mut (Marks, Marks),
        mut tell: impl FnMut(usize, Option<(usize, u64)>),
    ) {
        paths.clear();
        nars.clear();
        let mut waiting: Vec<usize> =
            tops.iter().copied().filter(|path| paths.mark(*path)).collect();
        while let Some(path) = waiting.pop() {
            let nar = self.nars.get(path).copied().flatten();
            tell(path, nar.filter(|(nar, _)| nars.mark(*nar)));
            let references = self.references.get(path).into_iter().flatten();
            waiting.extend(references.copied().filter(|path| paths.mark(*path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_roots_need_is_freed_by_neither() {
        let kept = KeptByRoots {
            named: [("a", 1), ("a", 2), ("b", 3), ("c", 5)].map(|(n, p)| (n.to_owned(), p)).into(),
            // 4 is elsewhere; 5 has the same NAR as 1.
            paths: vec![
                (1, Some((11, 100))),
                (2, Some((12, 20))),
                (3, Some((13, 3))),
                (4, None),
                (5, Some((11, 100))),
            ],
            edges: vec![(1, 2), (1, 4), (3, 2), (2, 4), (2, 1)],
        };
        let freed = freed(&kept);
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
}
