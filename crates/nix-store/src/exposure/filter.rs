//! The one place that decides whether a lookup may answer.
//!
//! The set of exposed paths is asked before the database is. What is not in it is looked up no further, so that a hidden path and
//! a missing one take the same steps and no statement.

use std::sync::Arc;

use rns_cache::Peek;
use rns_formats::{HashPart, StorePath};

use super::{
    rounds::Asked,
    view::{Snapshot, View},
};
use crate::{CacheError, LocalStore, db::PathRow, hash_key::key, row_cache::KnownRow};

/// How often a path is looked up that changes meanwhile.
const ATTEMPTS: usize = 8;

/// Which rows may be shown at a moment.
pub(crate) struct Shown(Option<Arc<Snapshot>>);

impl Shown {
    /// Whether the path of this row may be shown.
    pub(crate) fn has_row(&self, row: i64) -> bool {
        self.0.as_ref().is_none_or(|snapshot| snapshot.set.has_row(row))
    }
}

impl LocalStore {
    /// The row of a path, if it may be shown through this handle: current at a moment after the question was asked.
    pub(crate) async fn known_row(&self, hash: HashPart) -> Result<Option<KnownRow>, CacheError> {
        let presence = &self.shared().presence;
        let Some(view) = self.view() else {
            presence.ensure().await?;
            return self.any_row(hash).await;
        };
        let asked = view.asked();
        let is_shown = self.is_shown(view, hash, self.generation(), asked).await?;
        presence.ensure().await?;
        if !is_shown {
            return Ok(None);
        }
        for attempt in 0..ATTEMPTS {
            // What is shown is read before the row: see `View::peek`.
            let (asked, epoch) = (view.asked(), view.epoch());
            let Some(known) = self.any_row(hash).await? else { return Ok(None) };
            if view.admits(&known.row) {
                if !view.is_signed(&self.shared().database, &known.row).await? {
                    return Ok(None);
                }
                let freshness = known.freshness.under_policy(epoch);
                let row = self.without_hidden_deriver(view, known.row).await?;
                return Ok(Some(KnownRow { row, freshness }));
            }
            // The path was registered anew, and is not the one that the set knows.
            if attempt == 0 {
                view.refresh(0, asked).await?;
            } else {
                view.evaluate_anew(view.want_anew()).await?;
            }
            if view.exposes(key(&hash)) != Some(true) {
                return Ok(None);
            }
        }
        Err(CacheError::Unavailable {
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
    ) -> Result<bool, CacheError> {
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
    ) -> Result<Arc<PathRow>, CacheError> {
        let Some(deriver) = &row.info.deriver else { return Ok(row) };
        let mut is_exposed = view.exposes(key(&deriver.hash_part())) == Some(true);
        if is_exposed && self.needs_signatures() {
            is_exposed = match self.any_row(deriver.hash_part()).await? {
                Some(known) if view.admits(&known.row) => {
                    view.is_signed(&self.shared().database, &known.row).await?
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
    pub(crate) async fn refresh_exposure(&self, asked: Option<Asked>) -> Result<(), CacheError> {
        match (self.view(), asked) {
            (Some(view), Some(asked)) => view.refresh(self.generation(), asked).await,
            _ => Ok(()),
        }
    }

    /// What may be shown through this handle.
    pub(crate) fn shown(&self) -> Result<Shown, CacheError> {
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
    pub(crate) async fn is_exposed(&self, path: &StorePath) -> Result<bool, CacheError> {
        if !self.is_restricted() {
            return Ok(true);
        }
        let known = self.known_row(path.hash_part()).await?;
        Ok(known.is_some_and(|known| known.row.info.path == *path))
    }
}

impl View {
    /// What is known of a path without waiting. A hit is of the snapshot from before the row was looked at: what was said of
    /// the row under another one may leave out less than is hidden now.
    pub(crate) fn peek(&self, store: &LocalStore, hash: &HashPart, generation: u64) -> Peek {
        let epoch = self.epoch();
        match self.exposes(key(hash)) {
            None => return Peek::Unknown,
            Some(false) if self.is_of(generation) => return Peek::Miss,
            Some(false) => return Peek::Unknown,
            Some(true) => {}
        }
        match store.recent_row(hash, generation) {
            Some(known)
                if known.row.info.nar_size != 0
                    && self.admits(&known.row)
                    && self.is_known_to_be_signed(&known.row) =>
            {
                let freshness = known.freshness.under_policy(epoch);
                Peek::Hit { freshness, nar_hash: known.row.info.nar_hash }
            }
            _ => Peek::Unknown,
        }
    }

    /// Whether the set knows this very row with all that it refers to.
    fn admits(&self, row: &PathRow) -> bool {
        self.snapshot().is_some_and(|snapshot| {
            let mut references = row.info.references.iter();
            snapshot.set.has_row(row.id)
                && references.all(|reference| snapshot.set.has_key(key(&reference.hash_part())))
        })
    }
}
