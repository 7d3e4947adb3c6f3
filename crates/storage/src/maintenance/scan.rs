//! Every narinfo of a storage.

use std::{sync::Arc, time::SystemTime};

use futures_util::{Stream, StreamExt as _, future::ready};
use rns_cache::CacheError;
use rns_formats::HashPart;

use super::ProgressObserver;
use crate::{
    objects::{ObjectError, ObjectKey},
    read::{StorageReader, StoredNarInfo},
};

/// Narinfos that are read at the same time: a bucket takes some milliseconds for each.
const MAX_NARINFO_READS: usize = 32;

/// A narinfo that was found in a listing.
pub(super) struct ScannedNarInfo {
    pub(super) hash: HashPart,
    pub(super) stored: SystemTime,
    /// `Ok(None)` when it was removed meanwhile.
    pub(super) narinfo: Result<Option<Arc<StoredNarInfo>>, CacheError>,
}

/// Reads every narinfo, in no order.
pub(super) fn narinfos<'a>(
    reader: &'a StorageReader,
    progress: ProgressObserver<'a>,
) -> impl Stream<Item = Result<ScannedNarInfo, ObjectError>> + 'a {
    let listed = reader.objects().list(None).enumerate();
    let hashes = listed.filter_map(move |(number, listed)| {
        progress(number as u64);
        ready(match listed {
            Ok((key, info)) => hash_of(&key).map(|hash| Ok((hash, info.modified))),
            Err(error) => Some(Err(error)),
        })
    });
    hashes
        .map(move |listed| async move {
            let (hash, stored) = listed?;
            Ok(ScannedNarInfo { hash, stored, narinfo: reader.narinfo(hash).await })
        })
        .buffer_unordered(MAX_NARINFO_READS)
}

/// The hash part of the path whose narinfo this is.
pub(super) fn hash_of(key: &ObjectKey) -> Option<HashPart> {
    HashPart::parse(key.as_str().strip_suffix(".narinfo")?).ok()
}
