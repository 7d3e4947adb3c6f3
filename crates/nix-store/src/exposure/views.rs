//! The views of one store: equal policies share one.

use std::sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicU64};

use rns_cache::ExposurePolicy;

use super::{source::Source, view::View};

/// The views of a store that somebody holds.
#[derive(Default)]
pub(crate) struct Views {
    views: Mutex<Vec<Weak<View>>>,
    epochs: Arc<AtomicU64>,
}

impl Views {
    /// The view with this policy, evaluated already if somebody holds it.
    pub(super) fn get(
        &self,
        policy: &ExposurePolicy,
        source: impl FnOnce() -> Source,
    ) -> Arc<View> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        views.retain(|view| view.strong_count() > 0);
        let same = |view: &Weak<View>| view.upgrade().filter(|view| *view.policy == *policy);
        if let Some(view) = views.iter().find_map(same) {
            view.rescan();
            return view;
        }
        let view = View::new(policy.clone(), source(), Arc::clone(&self.epochs));
        views.push(Arc::downgrade(&view));
        view
    }
}
