//! Everything that an index knows, in memory: a million paths take about a hundred megabytes.

use crate::index::{IndexedPathRow, NarRow, PathState};

/// Paths and NARs by small numbers, in the order of their rows.
#[derive(Clone, Debug, Default)]
pub struct StorageGraph {
    /// The rows of paths.
    ids: Vec<i64>,
    paths: Vec<PathFacts>,
    /// Where the references of each path begin in `references`, and where the last ones end.
    starts: Vec<u32>,
    references: Vec<u32>,
    /// Roots by their rows, and paths that they name.
    rooted: Vec<(i64, u32)>,
    nar_ids: Vec<i64>,
    nars: Vec<StoredNarFacts>,
}

/// No NAR.
const NONE: u32 = u32::MAX;

/// Facts about a path. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathFacts {
    pub(super) state: PathState,
    nar: u32,
    /// When it was last told to a pusher, or published.
    pub(super) touched: u32,
    /// When a client last asked for it, pushers included.
    pub(super) last_use: u32,
}

/// Facts about a NAR.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredNarFacts {
    pub(super) file_size: u64,
    pub(super) touched: u32,
}

fn time(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

impl PathFacts {
    pub(super) fn nar(&self) -> Option<usize> {
        (self.nar != NONE).then_some(self.nar as usize)
    }
}

/// The rows must come in the order of their ids: NARs, then paths, then edges and roots.
impl StorageGraph {
    /// Adds NARs.
    pub fn add_nars(&mut self, rows: &[NarRow]) {
        for row in rows {
            self.nar_ids.push(row.id);
            self.nars.push(StoredNarFacts { file_size: row.file_size, touched: time(row.touched) });
        }
    }

    /// Adds paths, whose NARs are there.
    pub fn add_paths(&mut self, rows: &[IndexedPathRow]) {
        for row in rows {
            let nar = row.nar.and_then(|id| self.nar_ids.binary_search(&id).ok());
            self.ids.push(row.id);
            let touched = time(row.touched.max(row.published));
            self.paths.push(PathFacts {
                state: row.path_state(),
                nar: nar.map_or(NONE, number),
                touched,
                last_use: touched.max(time(row.used)),
            });
        }
    }

    /// Adds references, in the order of referrers, whose paths are all there.
    pub fn add_edges(&mut self, rows: &[(i64, i64)]) {
        for (referrer, reference) in rows {
            let Ok(reference) = self.ids.binary_search(reference) else { continue };
            let end = number(self.references.len());
            // Paths between the last referrer and this one refer to nothing.
            while self.ids.get(self.starts.len()).is_some_and(|id| id <= referrer) {
                self.starts.push(end);
            }
            self.references.push(number(reference));
        }
    }

    /// Adds paths that roots name.
    pub fn add_rooted(&mut self, rows: &[(i64, i64)]) {
        let named = rows
            .iter()
            .filter_map(|(root, path)| Some((*root, number(self.ids.binary_search(path).ok()?))));
        self.rooted.extend(named);
    }

    /// The number of paths.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no path.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The number of the path with this row.
    #[must_use]
    pub fn number(&self, id: i64) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// The row of a path.
    #[must_use]
    pub fn id(&self, path: usize) -> Option<i64> {
        self.ids.get(path).copied()
    }

    /// The row of a NAR.
    #[must_use]
    pub fn nar_id(&self, nar: usize) -> Option<i64> {
        self.nar_ids.get(nar).copied()
    }

    /// The length of a path's NAR as it is stored, in bytes.
    #[must_use]
    pub fn file_size(&self, path: usize) -> u64 {
        let nar = self.paths.get(path).and_then(PathFacts::nar);
        nar.and_then(|nar| self.nars.get(nar)).map_or(0, |nar| nar.file_size)
    }

    /// The row of a path's NAR.
    #[must_use]
    pub fn nar_of(&self, path: usize) -> Option<i64> {
        self.paths.get(path).and_then(PathFacts::nar).and_then(|nar| self.nar_id(nar))
    }

    /// When a path was last asked for, in seconds since 1970.
    #[must_use]
    pub fn last_use(&self, path: usize) -> u32 {
        self.paths.get(path).map_or(0, |facts| facts.last_use)
    }

    pub(super) fn paths(&self) -> &[PathFacts] {
        &self.paths
    }

    pub(super) fn nars(&self) -> &[StoredNarFacts] {
        &self.nars
    }

    /// Roots by their rows, and the numbers of paths that they name.
    pub(super) fn roots(&self) -> impl Iterator<Item = (i64, usize)> + '_ {
        self.rooted.iter().map(|(root, path)| (*root, *path as usize))
    }

    /// The number of a path's NAR.
    pub(super) fn nar_number(&self, path: usize) -> Option<usize> {
        self.paths.get(path).and_then(PathFacts::nar)
    }

    /// Bytes of memory that it takes, without room for more.
    pub(super) const fn memory(&self) -> usize {
        self.ids.len() * (size_of::<i64>() + size_of::<PathFacts>())
            + (self.starts.len() + self.references.len()) * size_of::<u32>()
            + self.rooted.len() * size_of::<(i64, u32)>()
            + self.nar_ids.len() * (size_of::<i64>() + size_of::<StoredNarFacts>())
    }

    pub(super) fn rooted(&self) -> impl Iterator<Item = usize> + '_ {
        self.rooted.iter().map(|(_, path)| *path as usize)
    }

    /// The numbers of the paths that a path refers to.
    pub(super) fn references(&self, path: usize) -> impl Iterator<Item = usize> + '_ {
        let begin = |path: usize| {
            self.starts.get(path).map_or(self.references.len(), |start| *start as usize)
        };
        let range = begin(path)..begin(path + 1);
        self.references.get(range).unwrap_or_default().iter().map(|path| *path as usize)
    }
}
