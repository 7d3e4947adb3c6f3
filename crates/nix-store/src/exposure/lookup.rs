//! The one place that decides whether a lookup may answer.
//!
//! The set of exposed paths is asked before the database is. A path that is not in it is looked up no further, so that a
//! hidden path and a missing one take the same steps and no statement.

use std::sync::Arc;

use rns_cache::Peek;
use rns_formats::{HashPart, StorePath};

use super::{cache::ExposedCache, exposed_paths::ExposedPaths, rounds::EvaluationRound};
use crate::{
    CacheError,
    db::PathRow,
    store::{
        hash_key::key,
        path_memory::{RememberedPath, VersionedRow},
    },
};

/// How often a path is looked up that changes meanwhile.
const MAX_LOOKUP_ATTEMPTS: usize = 8;

impl ExposedCache {
    /// The row of a path, if it is exposed: current at a moment after the question was asked.
    pub(super) async fn known_row(
        &self,
        hash: HashPart,
    ) -> Result<Option<VersionedRow>, CacheError> {
        let (store, paths) = (self.store.questions(), &self.paths);
        let is_shown = self.is_shown(hash, store.rows.generation(), paths.asked()).await?;
        store.parts.presence.ensure().await?;
        if !is_shown {
            return Ok(None);
        }
        for attempt in 0..MAX_LOOKUP_ATTEMPTS {
            // The epoch is read before the row: see `Self::peek_row`.
            let (asked, epoch) = (paths.asked(), paths.epoch());
            let Some(known) = store.rows.get_of_present_store(hash).await? else {
                return Ok(None);
            };
            if paths.admits(&known.row) {
                if !paths.is_signed(&store.parts.database, &known.row).await? {
                    return Ok(None);
                }
                let freshness = known.freshness.under_policy(epoch);
                let row = self.without_hidden_deriver(known.row).await?;
                return Ok(Some(VersionedRow { row, freshness }));
            }
            // The path was registered anew, and is not the one that the set knows.
            if attempt == 0 {
                paths.refresh(0, asked).await?;
            } else {
                paths.evaluate_anew(paths.want_anew()).await?;
            }
            if paths.exposes(key(&hash)) != Some(true) {
                return Ok(None);
            }
        }
        Err(CacheError::Unavailable {
            what: "a path changes faster than the policy of exposure can be evaluated for it"
                .to_owned(),
            remedy: "it is tried again at the next request",
        })
    }

    /// The same row with its size.
    pub(super) async fn known_path(
        &self,
        hash: HashPart,
    ) -> Result<Option<VersionedRow>, CacheError> {
        match self.known_row(hash).await? {
            Some(known) => self.store.questions().paths.with_size(known).await,
            None => Ok(None),
        }
    }

    /// Whether a path is exposed; a `false` is true at a moment after the question was asked.
    async fn is_shown(
        &self,
        hash: HashPart,
        generation: u64,
        asked: EvaluationRound,
    ) -> Result<bool, CacheError> {
        let (paths, key) = (&self.paths, key(&hash));
        match paths.exposes(key) {
            Some(true) => return Ok(true),
            Some(false) => paths.refresh(generation, asked).await?,
            None => paths.watch(),
        }
        paths.exposes(key).ok_or_else(|| paths.unavailable())
    }

    /// The row without a deriver that is hidden: that is the one thing about a path that no signature covers.
    async fn without_hidden_deriver(&self, row: Arc<PathRow>) -> Result<Arc<PathRow>, CacheError> {
        let (store, paths) = (self.store.questions(), &self.paths);
        let Some(deriver) = &row.info.deriver else { return Ok(row) };
        let mut is_exposed = paths.exposes(key(&deriver.hash_part())) == Some(true);
        if is_exposed && self.needs_signatures() {
            is_exposed = match store.rows.get_of_present_store(deriver.hash_part()).await? {
                Some(known) if paths.admits(&known.row) => {
                    paths.is_signed(&store.parts.database, &known.row).await?
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

    /// Brings the set up to date, so that it is of a moment after the question was asked. To be called before a miss is
    /// answered.
    pub(super) async fn refresh(&self, asked: EvaluationRound) -> Result<(), CacheError> {
        self.paths.refresh(self.store.questions().rows.generation(), asked).await
    }

    /// Tells which rows are exposed now.
    pub(super) fn rows(&self) -> Result<impl Fn(i64) -> bool + Clone + Send + use<>, CacheError> {
        self.paths.watch();
        let snapshot = self.paths.snapshot().ok_or_else(|| self.paths.unavailable())?;
        Ok(move |row| snapshot.set.has_row(row))
    }

    /// Whether a path of the set may turn out to be one that must not be shown.
    pub(super) fn needs_signatures(&self) -> bool {
        self.paths.policy.signed_by.is_some()
    }

    /// Whether this very path is valid and exposed.
    pub(super) async fn is_exposed(&self, path: &StorePath) -> Result<bool, CacheError> {
        let known = self.known_row(path.hash_part()).await?;
        Ok(known.is_some_and(|known| known.row.info.path == *path))
    }

    /// The answer that needs no waiting. A hit is of the snapshot from before the row was looked at: a narinfo that was
    /// rendered under another one may leave out less than is hidden now.
    pub(super) fn peek_row(&self, hash: &HashPart) -> Peek {
        let (rows, paths) = (&self.store.questions().rows, &self.paths);
        let generation = rows.generation();
        let epoch = paths.epoch();
        match paths.exposes(key(hash)) {
            None => return Peek::Unknown,
            Some(false) if paths.is_of(generation) => return Peek::Miss,
            Some(false) => return Peek::Unknown,
            Some(true) => {}
        }
        match rows.recent(hash, generation) {
            RememberedPath::Hit(known)
                if known.row.info.nar_size != 0
                    && paths.admits(&known.row)
                    && paths.is_known_to_be_signed(&known.row) =>
            {
                let freshness = known.freshness.under_policy(epoch);
                Peek::Hit { freshness, nar_hash: known.row.info.nar_hash }
            }
            _ => Peek::Unknown,
        }
    }
}

impl ExposedPaths {
    /// Whether the set has this very row with all its references.
    fn admits(&self, row: &PathRow) -> bool {
        self.snapshot().is_some_and(|snapshot| {
            let mut references = row.info.references.iter();
            snapshot.set.has_row(row.id)
                && references.all(|reference| snapshot.set.has_key(key(&reference.hash_part())))
        })
    }
}
