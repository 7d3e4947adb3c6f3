//! The one place that decides whether a lookup may answer.
//!
//! The set of exposed paths is asked before the database is. What is not in it is looked up no further, so that a hidden path and
//! a missing one take the same steps and no statement.

use std::sync::Arc;

use rns_formats::{HashPart, StorePath};

use super::{
    refresh::Asked,
    view::{Snapshot, View},
};
use crate::{LocalStore, StoreError, db::PathRow, lookup::Lookup, negative_cache::key};

/// How often a path is looked up that changes meanwhile.
const ATTEMPTS: usize = 4;

/// Which rows may be shown at a moment.
pub(crate) struct Shown(Option<Arc<Snapshot>>);

impl Shown {
    /// Whether the path of this row may be shown.
    pub(crate) fn has_row(&self, row: i64) -> bool {
        self.0.as_ref().is_none_or(|snapshot| snapshot.set.has_row(row))
    }
}

impl LocalStore {
    /// The row of a path, if it may be shown through this handle. The generation is the present one.
    pub(crate) async fn shown_row(
        &self,
        hash: HashPart,
        generation: u64,
        lookup: Lookup,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        let Some(view) = self.view() else { return self.any_row(hash, generation, lookup).await };
        let asked = view.asked();
        if !self.is_shown(view, hash, generation, asked).await? {
            return Ok(None);
        }
        let mut generation = generation;
        for attempt in 0..ATTEMPTS {
            let asked = view.asked();
            let Some(row) = self.any_row(hash, generation, lookup).await? else { return Ok(None) };
            if view.admits(&row) {
                if !view.is_signed(&self.shared().database, &row).await? {
                    return Ok(None);
                }
                return self.without_hidden_deriver(view, row).await.map(Some);
            }
            // The path was registered anew, and is not the one that the set knows.
            if attempt == 0 {
                view.refresh(0, asked).await?;
            } else {
                view.evaluate_anew(view.want_anew()).await?;
            }
            generation = self.generation();
            if view.exposes(key(&hash)) != Some(true) {
                return Ok(None);
            }
        }
        Err(StoreError::Unavailable {
            what: "a path changes faster than it can be found out whether it is exposed".to_owned(),
            remedy: "it is tried again at the next request",
        })
    }

    /// Whether a path is exposed; a `false` is true at a moment after the question was asked.
    async fn is_shown(
        &self,
        view: &Arc<View>,
        hash: HashPart,
        generation: u64,
        asked: Asked,
    ) -> Result<bool, StoreError> {
        let key = key(&hash);
        match view.exposes(key) {
            Some(true) => return Ok(true),
            Some(false) => view.refresh(generation, asked).await?,
            None => view.watch(),
        }
        view.exposes(key).ok_or_else(|| view.unavailable())
    }

    /// The deriver is the one thing about a path that nobody signs.
    async fn without_hidden_deriver(
        &self,
        view: &Arc<View>,
        row: Arc<PathRow>,
    ) -> Result<Arc<PathRow>, StoreError> {
        let Some(deriver) = &row.info.deriver else { return Ok(row) };
        let mut is_exposed = view.exposes(key(&deriver.hash_part())) == Some(true);
        if is_exposed && self.needs_signatures() {
            is_exposed = match self.any_known_row(deriver.hash_part()).await? {
                Some(row) if view.admits(&row) => {
                    view.is_signed(&self.shared().database, &row).await?
                }
                _ => false,
            };
        }
        if is_exposed {
            return Ok(row);
        }
        let mut row = (*row).clone();
        Arc::make_mut(&mut row.info).deriver = None;
        Ok(Arc::new(row))
    }

    /// To be called before the first look at what may be shown.
    pub(crate) fn asked_exposure(&self) -> Option<Asked> {
        self.view().map(|view| view.asked())
    }

    /// Makes sure that [`Self::shown`] is true at a moment after the question was asked. To be called before a miss is answered.
    pub(crate) async fn refresh_exposure(&self, asked: Option<Asked>) -> Result<(), StoreError> {
        match (self.view(), asked) {
            (Some(view), Some(asked)) => view.refresh(self.generation(), asked).await,
            _ => Ok(()),
        }
    }

    /// What may be shown through this handle.
    pub(crate) fn shown(&self) -> Result<Shown, StoreError> {
        match self.view() {
            None => Ok(Shown(None)),
            Some(view) => {
                view.watch();
                view.snapshot().map(|it| Shown(Some(it))).ok_or_else(|| view.unavailable())
            }
        }
    }

    /// Whether anything is hidden from this handle.
    pub(crate) const fn is_restricted(&self) -> bool {
        self.view().is_some()
    }

    /// Whether a path that is in the set may turn out to be none that may be shown.
    pub(crate) fn needs_signatures(&self) -> bool {
        self.view().is_some_and(|view| view.policy.signed_by.is_some())
    }

    /// Whether this very path is valid and exposed. Without a policy nothing is asked.
    pub(crate) async fn is_exposed(&self, path: &StorePath) -> Result<bool, StoreError> {
        if !self.is_restricted() {
            return Ok(true);
        }
        let row = self.known_row(path.hash_part()).await?;
        Ok(row.is_some_and(|row| row.info.path == *path))
    }
}

impl View {
    /// Whether the set knows this very row with all that it refers to.
    fn admits(&self, row: &PathRow) -> bool {
        self.snapshot().is_some_and(|snapshot| {
            let mut references = row.info.references.iter();
            snapshot.set.has_row(row.id)
                && references.all(|reference| snapshot.set.has_key(key(&reference.hash_part())))
        })
    }
}
