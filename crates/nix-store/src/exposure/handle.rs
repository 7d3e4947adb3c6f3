//! A store of which only a part is shown.

use std::sync::Arc;

use rns_cache::{CacheError, ExposurePolicy, ExposureStats};
use rns_formats::HashPart;

use super::source::Source;
use crate::{LocalStore, hash_key::key};

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
