//! Looking for changes that nobody asks about: a path that is exposed no longer is found in the set, so that no question
//! makes it be looked at again.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time::timeout};

use super::view::View;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(500);

impl View {
    /// Makes sure that somebody looks for changes, where there is a runtime to do so.
    pub(super) fn watch(self: &Arc<Self>) {
        if self.watched.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.watched.swap(true, Ordering::AcqRel) {
            let watched = Watched(Arc::clone(&self.watched));
            runtime.spawn(watch(Arc::downgrade(self), Arc::clone(&self.rescan), watched));
        }
    }

    /// Everything is read again soon.
    pub(super) fn rescan(&self) {
        self.want_anew();
        self.rescan.notify_one();
    }
}

/// Says that nobody looks any more, for example because the runtime has ended.
struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn watch(view: Weak<View>, rescan: Arc<Notify>, _watched: Watched) {
    while let Some(view) = view.upgrade() {
        let asked = view.asked();
        let generation = view.source.database.generation();
        _ = view.refresh(generation, asked).await;
        if view.is_stale(generation) {
            view.want_anew();
        }
        if let Some(wanted) = view.wanted() {
            _ = view.evaluate_anew(wanted).await;
        }
        drop(view);
        _ = timeout(INTERVAL, rescan.notified()).await;
    }
}
