//! NARs that clients send to the bucket themselves, by a URL that is good for a while.
//!
//! They go under names of their own, which no reader is ever sent to and which no client can guess. When the narinfo comes, they
//! are read back, verified, and written to their place on the way: the bytes that were checked are the bytes that are
//! published, also if the URL is used again meanwhile.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use rns_cache::{CacheError, PublishError, VerifiedNar};
use rns_formats::NarName;
use rns_verify::AnnouncedNar;
use url::Url;

use super::{
    nar,
    storage::{Storage, not_stored},
};
use crate::{
    index::IndexedNar,
    objects::{ObjectInfo, ObjectKey},
    read::unavailable,
};

/// How long a client has to begin to send the file: it goes there at once, and asks here again when it has to try again.
const URL_TTL: Duration = Duration::from_secs(900);

/// The largest object that a bucket takes in one request, in bytes.
const MAX_PUT_BYTES: u64 = 5 << 30;

/// Files that were sent for the same NAR and are looked at; more come only from clients that mean no good.
const MAX_FILES_PER_NAR: usize = 16;

/// The URL that a client may send the file of this NAR to. `None`: it is taken here.
pub(super) async fn place(
    storage: &Storage,
    name: &NarName,
    length: u64,
) -> Result<Option<Url>, PublishError> {
    let Some(direct) = storage.direct else { return Ok(None) };
    if length < direct.min_bytes || length > MAX_PUT_BYTES {
        return Ok(None);
    }
    // A bad announcement is refused here, before anything of the file is sent.
    if AnnouncedNar::parse(name, Some(length), storage.limits.max_nar_size).is_err() {
        return Ok(None);
    }
    if nar::stored(storage, &ObjectKey::nar(name), Some(length)).await?.is_some() {
        return Ok(None);
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| CacheError::Unavailable {
        what: format!("no random numbers: {error}"),
        remedy: "see that the system has a source of random numbers",
    })?;
    let key = ObjectKey::incoming(name, u128::from_le_bytes(random));
    let url = storage.objects().presigned(Method::PUT, &key, URL_TTL).await;
    Ok(url.map_err(unavailable)?)
}

/// Takes in the file that a client has sent to the bucket for this NAR, if any. Its turn is held.
pub(super) async fn take_in(
    storage: &Storage,
    name: &NarName,
) -> Result<Option<IndexedNar>, PublishError> {
    if !storage.takes_in {
        return Ok(None);
    }
    let objects = storage.objects();
    let listed = objects.list(Some(&ObjectKey::incoming_folder(name))).take(MAX_FILES_PER_NAR);
    let files: Vec<(ObjectKey, ObjectInfo)> = listed.try_collect().await.map_err(unavailable)?;
    let mut taken = Ok(None);
    for (key, info) in &files {
        if !matches!(taken, Ok(Some(_))) {
            match read_back(storage, name, key, *info).await {
                Err(error) if !is_fault_of_the_file(&error) => return Err(error),
                outcome => taken = outcome.map(|nar| nar.map(IndexedNar::from)),
            }
        }
        // A wrong one is of no use, and of a right one there is a copy now.
        objects.delete(key).await.map_err(not_stored)?;
    }
    taken
}

/// Reads a file, and writes it to its place while it is verified.
async fn read_back(
    storage: &Storage,
    name: &NarName,
    key: &ObjectKey,
    info: ObjectInfo,
) -> Result<Option<VerifiedNar>, PublishError> {
    let mut upload = nar::begin(storage, name, Some(info.size)).await?;
    let read = storage.objects().read(key, 0..info.size).await.map_err(unavailable)?;
    let Some(mut chunks) = read else { return Ok(None) };
    while let Some(chunk) = chunks.next().await {
        upload.write(chunk.map_err(unavailable)?).await?;
    }
    upload.finish().await.map(Some)
}

/// Whether the file of a client is wrong, and stays so.
const fn is_fault_of_the_file(error: &PublishError) -> bool {
    match error {
        PublishError::Malformed { .. }
        | PublishError::Mismatch { .. }
        | PublishError::TooLarge { .. } => true,
        PublishError::MissingNar { .. }
        | PublishError::MissingReferences(_)
        | PublishError::Unsigned { .. }
        | PublishError::Untrusted { .. }
        | PublishError::Unsupported { .. }
        | PublishError::NotAllowed { .. }
        | PublishError::Conflict { .. }
        | PublishError::Needed(_)
        | PublishError::Displaced
        | PublishError::Stalled
        | PublishError::Full
        | PublishError::Cache(_) => false,
    }
}
