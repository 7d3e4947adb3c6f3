//! Which store paths are shown: a policy, evaluated against the database alone.
//!
//! What a policy exposes is a set of rows that is closed under references, kept in memory and brought up to date as database and
//! roots change. A lookup through a restricted handle asks that set first, in one place (`gate`), so that what is hidden
//! and what does not exist are the same to whoever asks.
//!
//! - `policy`, `pattern`: what is meant
//! - `roots`: where closures begin
//! - `source`: the questions to the database
//! - `evaluate`, with `graph` for closures and `scan` for whole stores: from the policy to the set
//! - `set`: the result
//! - `view`, `refresh`, `watch`: the result, brought up to date for who asks, and by itself
//! - `signed`: signatures, checked when they matter
//! - `gate`: what lookups ask
//! - `report`, `numbers`: what the operator learns

mod evaluate;
mod filter;
mod graph;
mod refresh;
mod report;
mod roots;
mod scan;
mod set;
mod signed;
mod source;
mod view;
mod watch;

use std::sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicU64};

use rns_cache::{ExposurePolicy, ExposureStats};
use rns_formats::HashPart;

use self::source::Source;
pub(crate) use self::view::View;
use crate::{CacheError, LocalStore, negative_cache::key};

/// The views of a store that somebody holds.
#[derive(Default)]
pub(crate) struct Views {
    views: Mutex<Vec<Weak<View>>>,
    epochs: Arc<AtomicU64>,
}

impl Views {
    /// The view with this policy, evaluated already if somebody holds it.
    fn get(&self, policy: &ExposurePolicy, source: impl FnOnce() -> Source) -> Arc<View> {
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

impl LocalStore {
    /// The same store, of which only what the policy exposes can be seen through this handle and its clones; a policy of
    /// this handle no longer counts. A policy that hides nothing costs nothing.
    ///
    /// Handles with equal policies share the work, which goes on in the background while one of them is there. It starts now
    /// where there is a tokio runtime, otherwise with the first question; until it is done for the first time, every
    /// question is answered with [`CacheError::Unavailable`]. To ask for a policy that is in use already makes everything be
    /// read again.
    #[must_use]
    pub fn exposing(&self, policy: &ExposurePolicy) -> Self {
        let shared = Arc::clone(self.shared());
        if policy.is_everything() {
            return Self::with_view(shared, None);
        }
        let view = shared.views.get(policy, || Source {
            database: shared.database.clone(),
            file: shared.config.database.clone(),
            store_dir: shared.config.store_dir.clone(),
            real_dir: shared.config.real_dir.clone(),
            limit: shared.config.index_entries,
        });
        view.watch();
        Self::with_view(shared, Some(view))
    }

    /// A number that changes whenever something is hidden that was exposed, or a derivation is exposed that was not; no two
    /// views of a store have the same number. What was rendered from path information through this handle may be shown
    /// again while the number is the one that was read before the information was. 0 without a policy.
    #[must_use]
    pub fn exposure_epoch(&self) -> u64 {
        self.view().map_or(0, |view| view.epoch())
    }

    /// Whether the path with this hash part is exposed, going by what is in memory. `None` when that is not known yet.
    #[must_use]
    pub fn exposes_now(&self, hash: &HashPart) -> Option<bool> {
        match self.view() {
            Some(view) => view.exposes(key(hash)),
            None => Some(true),
        }
    }

    /// Waits until it is known what is exposed. Later changes do not make it wait again.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be found out now.
    pub async fn exposure_known(&self) -> Result<(), CacheError> {
        let Some(view) = self.view() else { return Ok(()) };
        view.watch();
        if view.snapshot().is_none() {
            view.refresh(0, view.asked()).await?;
        }
        Ok(())
    }

    /// Waits until everything has been read again since [`Self::exposing`] was last called with a policy that was in use
    /// already. What was known goes on being shown meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be done now.
    pub async fn exposure_settled(&self) -> Result<(), CacheError> {
        self.exposure_known().await?;
        match self.view().map(|view| (view, view.wanted())) {
            Some((view, Some(wanted))) => view.evaluate_anew(wanted).await,
            _ => Ok(()),
        }
    }

    /// The rows of what is exposed, as far as that is known; `None` without a policy too.
    pub(crate) fn exposed_rows(&self) -> Option<Vec<i64>> {
        Some(self.view()?.snapshot()?.set.rows().collect())
    }

    /// What is counted of the policy; `None` without one.
    #[must_use]
    pub fn exposure_numbers(&self) -> Option<ExposureStats> {
        Some(self.view()?.numbers())
    }
}
