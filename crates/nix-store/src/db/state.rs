//! Whether the database answers, said to the operator once for each change.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::CacheError;

/// The last failure, if the last question failed, and how many there were.
#[derive(Default)]
pub(super) struct Availability {
    last: Mutex<Option<String>>,
    failures: AtomicU64,
}

impl Availability {
    /// Notes how a question ended and logs it when that is news.
    pub(super) fn note(&self, path: &Path, failure: Option<&CacheError>) {
        if failure.is_some() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (failure, last.as_deref()) {
            (None, None) => {}
            (None, Some(_)) => {
                *last = None;
                tracing::info!(database = %path.display(), "the store's database answers again");
            }
            (Some(failure), known) => {
                let text = failure.to_string();
                if known != Some(text.as_str()) {
                    tracing::error!(database = %path.display(), "{text}");
                    *last = Some(text);
                }
            }
        }
    }

    /// Questions that were not answered.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}
