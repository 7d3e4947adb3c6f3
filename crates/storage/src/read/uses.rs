//! Paths and NARs that were read: noted in memory, and taken from there to the index now and then.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use rns_formats::HashPart;

use crate::objects::ObjectKey;

/// Paths, and as many NARs, whose last note is remembered, and that wait for the index. More are forgotten: they look less used
/// than they are.
const MAX_REMEMBERED_USES: usize = 65_536;

/// How often a path that is read all the time is noted, unless something else is said.
const DEFAULT_RESOLUTION: Duration = Duration::from_secs(60);

/// The paths that were read lately.
pub struct Uses {
    begun: Instant,
    /// In milliseconds.
    resolution: AtomicU64,
    paths: NotedUses<HashPart>,
    nars: NotedUses<ObjectKey>,
}

/// When things were last noted, and those that wait.
struct NotedUses<T> {
    last: Cache<T, u64>,
    waiting: Mutex<HashSet<T>>,
}

impl<T: Clone + Eq + Hash> NotedUses<T> {
    fn new() -> Self {
        Self { last: Cache::new(MAX_REMEMBERED_USES), waiting: Mutex::default() }
    }

    fn note(&self, what: &T, now: u64, resolution: u64) {
        if self.last.get(what).is_some_and(|last| now < last.saturating_add(resolution)) {
            return;
        }
        self.last.insert(what.clone(), now);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_REMEMBERED_USES {
            waiting.insert(what.clone());
        }
    }

    fn take(&self) -> Vec<T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting).into_iter().collect()
    }
}

impl Uses {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            resolution: AtomicU64::new(millis(DEFAULT_RESOLUTION)),
            paths: NotedUses::new(),
            nars: NotedUses::new(),
        }
    }

    /// Says how often something that is read all the time is noted; `None`: as usual.
    pub fn note_every(&self, resolution: Option<Duration>) {
        self.resolution.store(millis(resolution.unwrap_or(DEFAULT_RESOLUTION)), Relaxed);
    }

    pub(super) fn note_path(&self, hash: &HashPart) {
        self.paths.note(hash, millis(self.begun.elapsed()), self.resolution.load(Relaxed));
    }

    pub(super) fn note_nar(&self, key: &ObjectKey) {
        self.nars.note(key, millis(self.begun.elapsed()), self.resolution.load(Relaxed));
    }

    /// Paths that were read since the last call.
    #[must_use]
    pub fn take_paths(&self) -> Vec<HashPart> {
        self.paths.take()
    }

    /// NARs that were read since the last call.
    #[must_use]
    pub fn take_nars(&self) -> Vec<ObjectKey> {
        self.nars.take()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_all_the_time_is_noted_now_and_then() {
        let uses = Uses::new();
        let hash = HashPart::parse("0123456789abcdfghijklmnpqrsvwxyz").unwrap();
        for _ in 0..3 {
            uses.note_path(&hash);
        }
        assert_eq!(uses.take_paths(), [hash]);
        uses.note_path(&hash);
        assert!(uses.take_paths().is_empty());
        uses.note_every(Some(Duration::ZERO));
        uses.note_path(&hash);
        assert_eq!(uses.take_paths(), [hash]);
        let key = ObjectKey::listed("nar/a.nar");
        uses.note_nar(&key);
        assert_eq!(uses.take_nars(), [key]);
    }
}
