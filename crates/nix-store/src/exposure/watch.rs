//! Looking for changes that no question finds: a path that is exposed no longer is found in the set, so that no question
//! makes it be looked at again.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time::timeout};

use super::exposed_paths::ExposedPaths;

/// How often it is looked.
const EXPOSURE_POLL_INTERVAL: Duration = Duration::from_millis(500);

impl ExposedPaths {
    /// Makes sure that a task looks for changes, where there is a runtime to do so.
    pub(super) fn watch(self: &Arc<Self>) {
        if self.watched.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.watched.swap(true, Ordering::AcqRel) {
            let watched = WatchGuard(Arc::clone(&self.watched));
            runtime.spawn(watch(Arc::downgrade(self), Arc::clone(&self.rescan), watched));
        }
    }

    /// Everything is read again soon.
    pub(super) fn rescan(&self) {
        self.want_anew();
        self.rescan.notify_one();
    }
}

/// Notes that no task looks any more, for example because the runtime has ended.
struct WatchGuard(Arc<AtomicBool>);

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn watch(paths: Weak<ExposedPaths>, rescan: Arc<Notify>, _watched: WatchGuard) {
    while let Some(paths) = paths.upgrade() {
        let asked = paths.asked();
        let generation = paths.source.database.generation();
        _ = paths.refresh(generation, asked).await;
        if paths.is_stale(generation) {
            paths.want_anew();
        }
        if let Some(wanted) = paths.wanted() {
            _ = paths.evaluate_anew(wanted).await;
        }
        drop(paths);
        _ = timeout(EXPOSURE_POLL_INTERVAL, rescan.notified()).await;
    }
}
