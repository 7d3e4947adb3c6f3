//! From a policy to the set of exposed paths, and from there to the next one.
//!
//! Closures of roots and of names are followed downwards from where they begin. Without such a term, the whole store is
//! exposed except for paths that a term forbids, which are followed upwards. Either way, rows that were read stay known, so that the next
//! evaluation reads only rows that are new.

use std::{sync::Arc, thread, time::Duration};

use rns_cache::ExposurePolicy;

use super::{
    graph::{ReferenceGraph, Withheld},
    outcome::{EvaluationFailure, SetChange},
    root_memory::RootMemory,
    roots::{RootPaths, Stores},
    scan::Scan,
    set::Set,
    source::DatabaseSource,
};

/// Everything is read anew when this many rows, and more than were read then, have come since.
const MAX_NEW_ROWS: usize = 10_000;

/// How long a root that has gone may be in the middle of being replaced.
const REPLACEMENT_TIMEOUT: Duration = Duration::from_millis(50);

/// A policy that is being evaluated.
pub(super) struct Evaluation {
    policy: Arc<ExposurePolicy>,
    source: DatabaseSource,
    stores: Stores,
    root_memory: RootMemory,
    state: EvaluationState,
}

/// Everything that is forgotten to begin anew.
#[derive(Default)]
struct EvaluationState {
    is_complete: bool,
    /// Device and inode of the database.
    identity: Option<(u64, u64)>,
    /// The state of the database that the set is of.
    generation: u64,
    roots: Vec<Arc<RootPaths>>,
    /// For each root the rows of its paths.
    root_rows: Vec<Vec<Option<i64>>>,
    /// Rows up to this one were scanned.
    seen: i64,
    /// For each term of names the rows that match.
    named: Vec<Vec<i64>>,
    graph: ReferenceGraph,
    scan: Scan,
    condemned: bool,
    withheld: Withheld,
    set: Set,
    /// Rows in memory after all of them were read.
    first_size: usize,
}

impl EvaluationState {
    fn size(&self) -> usize {
        self.graph.len()
            + self.scan.len()
            + self.set.len()
            + self.named.iter().map(Vec::len).sum::<usize>()
    }
}

impl Evaluation {
    pub(super) fn new(policy: Arc<ExposurePolicy>, source: DatabaseSource) -> Self {
        let stores = Stores::new(&source.store_dir, &source.real_dir);
        Self {
            policy,
            source,
            stores,
            root_memory: RootMemory::default(),
            state: EvaluationState::default(),
        }
    }

    /// The same from the beginning.
    pub(super) fn anew(&self) -> Self {
        Self::new(Arc::clone(&self.policy), self.source.clone())
    }

    pub(super) const fn source(&self) -> &DatabaseSource {
        &self.source
    }

    pub(super) const fn set(&self) -> &Set {
        &self.state.set
    }

    /// The state of the database that the set is of; 0 when it is not known.
    pub(super) const fn generation(&self) -> u64 {
        self.state.generation
    }

    pub(super) fn withheld(&self) -> &Withheld {
        if self.policy.is_of_closures() { &self.state.withheld } else { self.state.scan.withheld() }
    }

    /// Roots that expose nothing, with the reason.
    pub(super) fn missing_roots(&self) -> impl Iterator<Item = (&RootPaths, String)> {
        let roots = self.state.roots.iter().zip(&self.state.root_rows);
        roots.filter(|(_, rows)| rows.iter().all(Option::is_none)).map(|(root, _)| {
            let root = &**root;
            let reason = match (&root.problem, root.paths.first()) {
                (Some(problem), _) => problem.clone(),
                (None, Some(path)) => format!("it leads to {path}, which is not valid"),
                (None, None) => String::new(),
            };
            (root, reason)
        })
    }

    /// A row turned out to be one that may not be exposed.
    pub(super) fn condemn(&mut self, row: i64) {
        self.state.condemned = true;
        if self.policy.is_of_closures() {
            self.state.graph.condemn(row);
        } else {
            self.state.scan.condemn(row);
        }
    }

    /// Forgets all rows, so that the next time everything is read.
    pub(super) fn forget(&mut self) {
        self.state = EvaluationState::default();
    }

    /// Brings the set up to date. Blocks; `true` when everything had to be read.
    pub(super) fn advance(&mut self) -> Result<(SetChange, bool), EvaluationFailure> {
        // From before the rows are read.
        let generation = self.source.database.generation();
        let identity = self.source.identity();
        let state = &self.state;
        let has_moved = generation == 0 || generation != state.generation;
        let is_overgrown = state.size() > state.first_size + state.first_size.max(MAX_NEW_ROWS);
        if state.identity != identity || has_moved && (is_overgrown || state.graph.is_torn()) {
            self.forget();
            self.state.identity = identity;
        }
        let is_first = !self.state.is_complete;
        let change = match self.step(generation) {
            Ok(Some(change)) => Ok(change),
            // Rows that are not needed any more may have taken the room.
            Err(EvaluationFailure::TooMany) if is_first => Err(EvaluationFailure::TooMany),
            Ok(None) | Err(EvaluationFailure::TooMany) => {
                self.forget();
                self.state.identity = identity;
                self.step(generation).map(|change| change.unwrap_or(SetChange::Other))
            }
            Err(failure) => Err(failure),
        };
        match change {
            Ok(change) => {
                let is_first = is_first || self.state.first_size == 0;
                if is_first {
                    self.state.first_size = self.state.size().max(1);
                }
                Ok((change, is_first))
            }
            Err(failure) => {
                // It may have come half way.
                self.forget();
                Err(failure)
            }
        }
    }

    /// `None` when the rows are not those that were seen before.
    fn step(&mut self, generation: u64) -> Result<Option<SetChange>, EvaluationFailure> {
        let is_first = !self.state.is_complete;
        let has_moved = is_first || generation == 0 || generation != self.state.generation;
        let mut has_news = is_first || std::mem::take(&mut self.state.condemned);
        has_news |= self.find_roots(has_moved)?;
        if has_moved && (self.policy.roots.is_none() || !self.policy.names.is_empty()) {
            let Some(found) = self.scan()? else { return Ok(None) };
            has_news |= found;
        }
        let change = match has_news {
            false => SetChange::None,
            true if self.policy.is_of_closures() => self.walk()?,
            true => self.state.scan.settle(&self.source, &mut self.state.set, is_first)?,
        };
        self.state.is_complete = true;
        self.state.generation = generation;
        Ok(Some(change))
    }

    /// Whether the roots lead to other rows than before.
    fn find_roots(&mut self, has_moved: bool) -> Result<bool, EvaluationFailure> {
        let Some(roots) = &self.policy.roots else { return Ok(false) };
        let (stores, memory) = (&self.stores, &mut self.root_memory);
        let mut read = || memory.read(stores, roots);
        let mut found = read();
        let before = &self.state.roots;
        let has_gone = |(now, before): (&Arc<RootPaths>, &Arc<RootPaths>)| {
            now.paths.is_empty() && !before.paths.is_empty()
        };
        if found.iter().zip(before).any(has_gone) {
            thread::sleep(REPLACEMENT_TIMEOUT);
            found = read();
        }
        // Those that were not read again are the same ones.
        let is_same = |(now, before): (&Arc<RootPaths>, &Arc<RootPaths>)| {
            Arc::ptr_eq(now, before) || now == before
        };
        if !has_moved && found.len() == before.len() && found.iter().zip(before).all(is_same) {
            return Ok(false);
        }
        let rows = found
            .iter()
            .map(|root| self.source.rows_of(&root.paths))
            .collect::<Result<Vec<_>, _>>()?;
        let has_news = rows != self.state.root_rows;
        self.state.roots = found;
        self.state.root_rows = rows;
        Ok(has_news)
    }

    /// Looks at rows that are new; whether there are any of interest.
    fn scan(&mut self) -> Result<Option<bool>, EvaluationFailure> {
        let mut has_news = false;
        let state = &mut self.state;
        state.named.resize(self.policy.names.len(), Vec::new());
        loop {
            let page = self.source.page(&self.policy, state.seen)?;
            if page.seen < state.seen {
                // Numbers only grow: these are of a database that was restored into the same file.
                return Ok(None);
            }
            if self.policy.is_of_closures() {
                for (named, new) in state.named.iter_mut().zip(&page.named) {
                    has_news |= !new.is_empty();
                    named.extend(new);
                }
            } else {
                has_news |= !page.rows.is_empty();
                page.rows.iter().for_each(|&row| state.scan.see(row));
            }
            let held = match self.policy.is_of_closures() {
                true => state.named.iter().map(Vec::len).sum(),
                false => state.set.len() + state.scan.len(),
            };
            if held > self.source.limit {
                return Err(EvaluationFailure::TooMany);
            }
            state.seen = page.seen;
            if page.is_last {
                return Ok(Some(has_news));
            }
        }
    }

    fn walk(&mut self) -> Result<SetChange, EvaluationFailure> {
        let state = &mut self.state;
        let roots: Vec<i64> = state.root_rows.iter().flatten().copied().flatten().collect();
        let terms = self.policy.roots.as_ref().map(|_| &roots).into_iter().chain(&state.named);
        let mut members: Option<Vec<bool>> = None;
        for seeds in terms.clone() {
            state.graph.load(&self.source, &self.policy, seeds.iter().copied())?;
        }
        for seeds in terms {
            let closure = state.graph.closure(seeds.iter().copied());
            members = Some(match members {
                None => closure,
                Some(members) => members.iter().zip(closure).map(|(a, b)| *a && b).collect(),
            });
        }
        let (entries, withheld) = state.graph.exposed(&members.unwrap_or_default());
        state.set = Set::new(entries);
        state.withheld = withheld;
        Ok(SetChange::Other)
    }
}
