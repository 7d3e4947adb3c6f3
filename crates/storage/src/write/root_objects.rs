//! Roots as objects of the storage, so that a lost index loses none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rns_cache::{Pusher, RootRevision};
use rns_formats::{RootLabel, RootName, StorePath};
use serde::{Deserialize, Serialize};

use crate::objects::{ObjectError, ObjectKey, Objects};

/// The largest object of a root, in bytes: 100 revisions with 10,000 paths each.
const MAX_ROOT_BYTES: u64 = 128 << 20;

/// The version of the form that is written. One with a greater number may mean something else.
const VERSION: u32 = 1;

/// The object of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredRoot {
    /// Its revisions, the newest first.
    Revisions(Vec<RootRevision>),
    /// Nothing can be made of it.
    Unusable(String),
}

/// The object as it is written.
#[derive(Serialize, Deserialize)]
struct RootObject {
    version: u32,
    revisions: Vec<RevisionObject>,
}

/// Times are in seconds since 1970. An address of a client has no place in a bucket that may be public.
#[derive(Serialize, Deserialize)]
struct RevisionObject {
    revision: u64,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    pusher: String,
    paths: Vec<String>,
}

/// The number of a revision, and when it goes: the same revision that is set again lives longer.
pub(crate) const fn end(revision: &RootRevision) -> (u64, Option<SystemTime>) {
    (revision.revision, revision.expires)
}

/// Reads the object of a root. `None`: there is none.
///
/// # Errors
/// When the storage cannot be read.
pub(crate) async fn read_root(
    objects: &Objects,
    name: &RootName,
) -> Result<Option<StoredRoot>, ObjectError> {
    let Some(bytes) = objects.read_small(&ObjectKey::root(name), MAX_ROOT_BYTES).await? else {
        return Ok(None);
    };
    let revisions = parse(&bytes);
    Ok(Some(revisions.map_or_else(StoredRoot::Unusable, StoredRoot::Revisions)))
}

/// Writes the object of a root; without revisions, removes it.
///
/// # Errors
/// When the storage cannot be written.
pub(crate) async fn write_root(
    objects: &Objects,
    name: &RootName,
    revisions: &[RootRevision],
) -> Result<(), ObjectError> {
    let key = ObjectKey::root(name);
    if revisions.is_empty() {
        return objects.delete(&key).await;
    }
    objects.write_small(&key, text(revisions)).await
}

fn text(revisions: &[RootRevision]) -> Bytes {
    let revisions = revisions.iter().map(|revision| RevisionObject {
        revision: revision.revision,
        created: seconds(revision.created),
        expires: revision.expires.map(seconds),
        label: revision.label.as_ref().map(ToString::to_string),
        pusher: revision.pusher.name.clone(),
        paths: revision.paths.iter().map(ToString::to_string).collect(),
    });
    let object = RootObject { version: VERSION, revisions: revisions.collect() };
    let text = serde_json::to_vec(&object);
    // Numbers and texts can always be written.
    Bytes::from(text.unwrap_or_default())
}

fn parse(bytes: &[u8]) -> Result<Vec<RootRevision>, String> {
    let object: RootObject =
        serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if object.version != VERSION {
        return Err(format!("it has version {}, known is {VERSION}", object.version));
    }
    let mut revisions = Vec::with_capacity(object.revisions.len());
    for revision in object.revisions {
        let paths = revision.paths.iter().map(|path| StorePath::parse(path));
        let paths = paths.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        revisions.push(RootRevision {
            revision: revision.revision,
            created: time(revision.created),
            expires: revision.expires.map(time),
            label: revision.label.and_then(|label| RootLabel::parse(&label).ok()),
            pusher: Pusher { name: revision.pusher, address: None },
            paths,
        });
    }
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.revision));
    Ok(revisions)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A number that no clock shows is the end of time.
fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX) << 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let revision = |number: u64, expires| RootRevision {
            revision: number,
            created: time(1_700_000_000),
            expires,
            label: RootLabel::parse("a \"build\"").ok(),
            pusher: Pusher { name: "token ci".to_owned(), address: None },
            paths: vec![StorePath::parse(&format!("{number:032}-path")).unwrap()],
        };
        let revisions = vec![revision(3, Some(time(1_800_000_000))), revision(1, None)];
        assert_eq!(parse(&text(&revisions)), Ok(revisions));
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        for text in ["", "{}", "{\"version\":2,\"revisions\":[]}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
