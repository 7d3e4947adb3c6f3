//! NARs that lie in the storage and are wrong.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

use crate::objects::ObjectKey;

/// NARs that are remembered as wrong.
const MAX_WRONG_NARS: usize = 4_096;

/// How long. A client that is told that such a NAR is there sends no other one.
const MEMORY_TTL: Duration = Duration::from_secs(3600);

/// NARs that were read and are wrong. They stay where they are: a narinfo that the index does not know may name them.
#[derive(Clone)]
pub(super) struct WrongNars(Arc<Cache<ObjectKey, Instant>>);

impl Default for WrongNars {
    fn default() -> Self {
        Self(Arc::new(Cache::new(MAX_WRONG_NARS)))
    }
}

impl WrongNars {
    pub(super) fn add(&self, key: &ObjectKey) {
        self.0.insert(key.clone(), Instant::now());
    }

    /// Whether this NAR was found wrong after this moment.
    pub(super) fn was_found_after(&self, key: &ObjectKey, moment: Instant) -> bool {
        self.0.get(key).is_some_and(|since| since > moment)
    }

    /// Whether this NAR was found wrong lately. An upload takes its place.
    pub(super) fn has(&self, key: &ObjectKey) -> bool {
        self.0.get(key).is_some_and(|since| since.elapsed() < MEMORY_TTL)
    }
}
