//! A look at one stored path: its narinfo, its NAR, its row in the index.

use std::sync::Arc;

use rns_cache::CacheError;
use rns_formats::{HashPart, NarInfo};
use rns_verify::narinfo::{agree, name_in_url};

use super::{MaintenanceError, faults::FaultKind, scan::ScannedNarInfo};
use crate::{
    index::PathState, objects::ObjectKey, read::StoredNarInfo, verify::check_stored, write::Storage,
};

/// A narinfo that was found.
pub(super) struct ExaminedPath {
    pub(super) hash: HashPart,
    pub(super) seen: NarInfoState,
}

/// The state of a path.
pub(super) enum NarInfoState {
    /// It was removed meanwhile.
    Gone,
    /// Nothing can be made of its narinfo.
    Unusable(CacheError),
    /// It cannot be read now, and is not gone.
    Unreadable,
    Path(SeenPath),
}

/// A path whose narinfo can be used.
pub(super) struct SeenPath {
    pub(super) stored: Arc<StoredNarInfo>,
    /// The NAR that it names.
    pub(super) nar: Option<ObjectKey>,
    /// The fault of that.
    pub(super) fault: Option<FaultKind>,
    pub(super) is_indexed: bool,
}

/// Looks at a path, and with `contents` reads its NAR.
pub(super) async fn look(
    storage: &Storage,
    contents: bool,
    found: ScannedNarInfo,
) -> Result<ExaminedPath, MaintenanceError> {
    let ScannedNarInfo { hash, narinfo, .. } = found;
    let seen = match narinfo {
        Ok(None) => NarInfoState::Gone,
        Err(error @ CacheError::Invalid { .. }) => NarInfoState::Unusable(error),
        Err(error) => {
            tracing::warn!("{error}");
            NarInfoState::Unreadable
        }
        Ok(Some(stored)) => {
            let nar = name_in_url(&stored.narinfo.url).map(|name| ObjectKey::nar(&name));
            let fault = fault(storage, contents, &stored.narinfo, nar.as_ref()).await?;
            let states = storage.index().states(&[hash]).await?;
            let is_indexed = matches!(
                states.first(),
                Some(Some(PathState::Published | PathState::Condemned | PathState::Deleting))
            );
            NarInfoState::Path(SeenPath { stored, nar, fault, is_indexed })
        }
    };
    Ok(ExaminedPath { hash, seen })
}

/// The fault of the NAR of a path.
async fn fault(
    storage: &Storage,
    contents: bool,
    narinfo: &NarInfo,
    key: Option<&ObjectKey>,
) -> Result<Option<FaultKind>, MaintenanceError> {
    let objects = storage.reader().objects();
    let Some(key) = key else { return Ok(Some(FaultKind::MissingNar)) };
    let Some(info) = objects.head(key).await? else { return Ok(Some(FaultKind::MissingNar)) };
    if let Some(expected) = narinfo.file_size.filter(|size| *size != info.size) {
        return Ok(Some(FaultKind::Truncated { expected, found: info.size }));
    }
    if !contents {
        return Ok(None);
    }
    // Only as many bytes as the narinfo says are hashed: more are wrong anyway.
    let (compression, size) = (narinfo.compression, narinfo.nar_size);
    let checked = check_stored(objects, key, compression, size, storage.decoder_memory()).await?;
    Ok(match checked {
        None => Some(FaultKind::MissingNar),
        Some(Err(rejection)) => Some(FaultKind::Altered(rejection.to_string())),
        Some(Ok(check)) => agree(narinfo, &check.verified())
            .err()
            .map(|error| FaultKind::Altered(error.to_string())),
    })
}
