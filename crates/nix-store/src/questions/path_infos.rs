//! The facts about a path, with its size.

use std::sync::Arc;

use rns_cache::{NarOffer, PathRecord};
use rns_formats::{Compression, HashPart, NarName, PathInfo};

use super::{nars::Nars, rows::PathRows};
use crate::{CacheError, store::path_memory::VersionedRow};

/// The facts about paths. Clones share everything.
#[derive(Clone)]
pub(crate) struct PathInfos {
    rows: PathRows,
    nars: Nars,
}

impl PathInfos {
    pub(crate) const fn new(rows: PathRows, nars: Nars) -> Self {
        Self { rows, nars }
    }

    /// The facts about a path.
    ///
    /// # Errors
    /// As [`PathRows::get`].
    pub(crate) async fn get(&self, hash: HashPart) -> Result<Option<Arc<PathInfo>>, CacheError> {
        let known = self.row(hash).await?;
        Ok(known.map(|known| Arc::clone(&known.row.info)))
    }

    /// The row of a path, with its size.
    ///
    /// # Errors
    /// As [`PathRows::get`].
    pub(crate) async fn row(&self, hash: HashPart) -> Result<Option<VersionedRow>, CacheError> {
        match self.rows.get(hash).await? {
            Some(known) => self.with_size(known).await,
            None => Ok(None),
        }
    }

    /// The same row with its size. `None` when the files of the path are gone.
    ///
    /// # Errors
    /// `Io` when the size has to be found out and the files cannot be read.
    pub(crate) async fn with_size(
        &self,
        mut known: VersionedRow,
    ) -> Result<Option<VersionedRow>, CacheError> {
        if known.row.info.nar_size == 0 {
            // A row of a very old Nix has no size; clients insist on one.
            let Some(nar) = self.nars.open(&known.row).await? else { return Ok(None) };
            Arc::make_mut(&mut known.row).info = nar.info;
        }
        Ok(Some(known))
    }
}

/// The record of a path whose size is known. Its NAR is offered uncompressed.
pub(crate) fn record(known: &VersionedRow) -> PathRecord {
    let info = Arc::clone(&known.row.info);
    let name = NarName::new(info.path.hash_part(), info.nar_hash, Compression::None);
    let offer = NarOffer {
        url: name.canonical_url(),
        compression: Compression::None,
        // Clients up to Nix 2.34 need both lines when they publish the path again.
        file: Some((info.nar_hash.into(), info.nar_size)),
        complete: true,
    };
    PathRecord { info, offer, freshness: known.freshness }
}
