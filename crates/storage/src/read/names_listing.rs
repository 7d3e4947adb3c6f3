//! When the names of a directory are listed: at the first question, and again after notes were lost.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::{runtime::Handle, task::spawn_blocking};

use super::directory_names::{DirectoryIdentity, DirectoryNames};

/// The part of the memory for narinfos that names may take.
const NAMES_PART: usize = 4;

/// Memory for a name, in bytes: a set that has just grown is half empty.
const NAME_DIGEST_BYTES: usize = 12;

/// How long a directory whose names cannot be known is left alone.
const LISTING_RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Listings take one part in so many of the time, at most.
const LISTING_PART: u32 = 10;

/// The names of one directory. Clones share them.
#[derive(Clone)]
pub(super) struct NamesListing(Arc<NamesState>);

struct NamesState {
    root: Arc<Path>,
    max_names: AtomicUsize,
    names: ArcSwapOption<DirectoryNames>,
    /// When the directory may be listed again. `None`: it is being listed.
    next: Mutex<Option<Instant>>,
}

impl NamesListing {
    /// Those of the directory `root`, in a part of `memory_bytes`.
    pub(super) fn of(root: Arc<Path>, memory_bytes: usize) -> Self {
        Self(Arc::new(NamesState {
            root,
            max_names: AtomicUsize::new(max_names(memory_bytes)),
            names: ArcSwapOption::empty(),
            next: Mutex::new(Some(Instant::now())),
        }))
    }

    /// Changes the bound of the memory, which holds from the next listing on.
    pub(super) fn resize(&self, memory_bytes: usize) {
        let max_names = max_names(memory_bytes);
        if self.0.max_names.swap(max_names, Relaxed) > max_names {
            self.0.names.store(None);
        }
    }

    /// The names of these two directories. `None`: they are not known yet, or not any more. Never waits.
    pub(super) fn of_directories(
        &self,
        directories: [DirectoryIdentity; 2],
    ) -> Option<Arc<DirectoryNames>> {
        let names = self.0.names.load_full();
        let names = names.filter(|names| names.of == directories && names.is_complete());
        if names.is_none() {
            self.list();
        }
        names
    }

    /// Lists the directory in the background, unless that was done just now.
    fn list(&self) {
        let max_names = self.0.max_names.load(Relaxed);
        if max_names == 0 || Handle::try_current().is_err() {
            return;
        }
        let begun = Instant::now();
        let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_none_or(|next| begun < next) {
            return;
        }
        *next = None;
        drop(next);
        self.0.names.store(None);
        let state = Arc::clone(&self.0);
        spawn_blocking(move || {
            // Without names, the directory is asked: a failure is none of the storage.
            let names = DirectoryNames::list(&state.root, max_names).ok().flatten();
            let pause = if names.is_some() {
                begun.elapsed() * LISTING_PART
            } else {
                LISTING_RETRY_INTERVAL
            };
            state.names.store(names.map(Arc::new));
            let mut next = state.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = Some(Instant::now() + pause);
        });
    }
}

const fn max_names(memory_bytes: usize) -> usize {
    memory_bytes / NAMES_PART / NAME_DIGEST_BYTES
}
