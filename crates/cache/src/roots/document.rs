//! The revisions of a root as they are stored, as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rns_formats::{RootLabel, StorePath, StorePathError};
use serde::{Deserialize, Serialize};

use super::rooted_cache::RootRevision;
use crate::Pusher;

/// The version of the form that is written. One with a greater number may mean something else.
const DOCUMENT_VERSION: u32 = 1;

/// The fault of a document that is no list of revisions.
#[derive(Debug, thiserror::Error)]
pub enum RootDocumentError {
    /// It is not the JSON of a root.
    #[error("it cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Its form has another version.
    #[error("it has version {0}, known is {DOCUMENT_VERSION}")]
    Version(u32),
    /// One of its paths is none.
    #[error(transparent)]
    Path(#[from] StorePathError),
}

/// The document as it is written.
#[derive(Serialize, Deserialize)]
struct RootDocument {
    version: u32,
    revisions: Vec<RevisionDocument>,
}

/// Times are in seconds since 1970. An address of a client has no place in a bucket that may be public.
#[derive(Serialize, Deserialize)]
struct RevisionDocument {
    revision: u64,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    pusher: String,
    paths: Vec<String>,
}

/// The document of a root with these revisions. The addresses of clients are not in it.
#[must_use]
pub fn write_revisions(revisions: &[RootRevision]) -> Bytes {
    let revisions = revisions.iter().map(|revision| RevisionDocument {
        revision: revision.revision,
        created: seconds(revision.created),
        expires: revision.expires.map(seconds),
        label: revision.label.as_ref().map(ToString::to_string),
        pusher: revision.pusher.name.clone(),
        paths: revision.paths.iter().map(ToString::to_string).collect(),
    });
    let document = RootDocument { version: DOCUMENT_VERSION, revisions: revisions.collect() };
    let text = serde_json::to_vec(&document);
    // Numbers and texts can always be written.
    Bytes::from(text.unwrap_or_default())
}

/// The revisions in a document, the newest first.
///
/// # Errors
/// When it is no such document, or one of another version.
pub fn parse_revisions(bytes: &[u8]) -> Result<Vec<RootRevision>, RootDocumentError> {
    let document: RootDocument = serde_json::from_slice(bytes)?;
    if document.version != DOCUMENT_VERSION {
        return Err(RootDocumentError::Version(document.version));
    }
    let mut revisions = Vec::with_capacity(document.revisions.len());
    for revision in document.revisions {
        let paths = revision.paths.iter().map(|path| StorePath::parse(path));
        let paths = paths.collect::<Result<_, _>>()?;
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
        assert_eq!(parse_revisions(&write_revisions(&revisions)).unwrap(), revisions);
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        for text in ["", "{}", "{\"version\":2,\"revisions\":[]}"] {
            assert!(parse_revisions(text.as_bytes()).is_err(), "{text}");
        }
    }
}
