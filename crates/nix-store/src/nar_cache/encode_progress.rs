//! One compression that runs, and those who wait for it.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::finished::Finished;
use crate::CacheError;

/// How far a compression has come.
#[derive(Clone)]
pub(super) enum EncodeStage {
    /// It waits for its turn, or nothing of it can be read before its end.
    Waiting,
    /// So many bytes are in the file.
    GrowingNar { file: Arc<OwnedFd>, written: u64 },
    /// It is complete.
    Done(Finished),
    /// It will never be complete.
    Failed(EncodeFailure),
}

/// Why a compression was given up.
#[derive(Clone)]
pub(super) enum EncodeFailure {
    /// The NAR cannot be read, or is not the registered one.
    Nar(Arc<CacheError>),
    /// The path is not in the store any more.
    Gone,
    /// The cache could not take it, or all readers had left. Compressing it alone still works.
    Cache,
}

pub(super) struct EncodeProgress {
    progress: watch::Sender<EncodeStage>,
    audience: Mutex<ReaderDemand>,
}

struct ReaderDemand {
    readers: usize,
    /// Whether a client has asked for the NAR itself.
    is_wanted: bool,
    /// When the last one came or left.
    changed: Instant,
}

/// A reader of the result; while there is one, the work goes on.
pub(super) struct EncodeReader {
    production: Arc<EncodeProgress>,
    progress: watch::Receiver<EncodeStage>,
}

impl EncodeProgress {
    pub(super) fn new() -> Self {
        let audience =
            Mutex::new(ReaderDemand { readers: 0, is_wanted: false, changed: Instant::now() });
        Self { progress: watch::Sender::new(EncodeStage::Waiting), audience }
    }

    pub(super) fn reader(self: &Arc<Self>) -> EncodeReader {
        self.audience().is_wanted = true;
        self.early_reader()
    }

    /// A reader that expects others to come.
    pub(super) fn early_reader(self: &Arc<Self>) -> EncodeReader {
        self.change(|readers| readers + 1);
        EncodeReader { production: Arc::clone(self), progress: self.progress.subscribe() }
    }

    pub(super) fn set(&self, progress: EncodeStage) {
        self.progress.send_replace(progress);
    }

    /// Whether there was no reader for this long, or all that expected others have left without one coming.
    pub(super) fn is_abandoned(&self, grace: Duration) -> bool {
        let audience = self.audience();
        let grace = if audience.is_wanted { grace } else { Duration::ZERO };
        audience.readers == 0 && audience.changed.elapsed() >= grace
    }

    /// Waits until there was no reader for this long.
    pub(super) async fn abandoned(&self, grace: Duration) {
        while !self.is_abandoned(grace) {
            // No reader can be gone for long enough before that.
            tokio::time::sleep(grace.max(Duration::from_millis(100))).await;
        }
    }

    /// Waits for the end without being a reader. Whether there is a result.
    pub(super) async fn ended(&self) -> bool {
        let mut progress = self.progress.subscribe();
        let ended = |progress: &EncodeStage| {
            matches!(progress, EncodeStage::Done(_) | EncodeStage::Failed(_))
        };
        progress.wait_for(ended).await.is_ok_and(|end| matches!(*end, EncodeStage::Done(_)))
    }

    /// Whether a reader waits for the result.
    pub(super) fn has_reader(&self) -> bool {
        self.audience().readers > 0
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut audience = self.audience();
        audience.readers = change(audience.readers);
        audience.changed = Instant::now();
    }

    fn audience(&self) -> MutexGuard<'_, ReaderDemand> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodeReader {
    /// Waits until there are more than `offset` bytes, or no more will come.
    pub(super) async fn beyond(&mut self, offset: u64) -> EncodeStage {
        self.until(|progress| match progress {
            EncodeStage::Waiting => false,
            EncodeStage::GrowingNar { written, .. } => *written > offset,
            EncodeStage::Done(_) | EncodeStage::Failed(_) => true,
        })
        .await
    }

    /// Waits for the end.
    pub(super) async fn end(&mut self) -> Result<Finished, EncodeFailure> {
        let ended = |progress: &EncodeStage| {
            matches!(progress, EncodeStage::Done(_) | EncodeStage::Failed(_))
        };
        match self.until(ended).await {
            EncodeStage::Done(finished) => Ok(finished),
            EncodeStage::Failed(failure) => Err(failure),
            EncodeStage::Waiting | EncodeStage::GrowingNar { .. } => Err(EncodeFailure::Cache),
        }
    }

    async fn until(&mut self, reached: impl FnMut(&EncodeStage) -> bool) -> EncodeStage {
        // The sender is part of the production that this reader holds.
        self.progress
            .wait_for(reached)
            .await
            .map_or(EncodeStage::Failed(EncodeFailure::Cache), |progress| progress.clone())
    }
}

impl Drop for EncodeReader {
    fn drop(&mut self) {
        self.production.change(|readers| readers.saturating_sub(1));
    }
}

impl EncodeFailure {
    /// The same for one of several who were waiting; `None` when the work may be done without the cache.
    pub(super) fn error(&self) -> Option<CacheError> {
        match self {
            Self::Nar(error) => Some(error.duplicate()),
            Self::Gone => Some(gone()),
            Self::Cache => None,
        }
    }
}

/// The error for a NAR whose path went away while it was compressed.
pub(super) fn gone() -> CacheError {
    CacheError::Gone { object: "a NAR that was being compressed".to_owned() }
}
