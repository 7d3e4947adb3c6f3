//! The types of an index.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rns_cache::{Pusher, VerifiedNar};
use rns_formats::{HashPart, RootName, Sha256Digest, StorePath};

use crate::objects::ObjectKey;

/// The record of a stored NAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedNar {
    /// SHA-256 of the file as it is stored.
    pub file_hash: Sha256Digest,
    /// Length of the file in bytes.
    pub file_size: u64,
    /// SHA-256 of the NAR.
    pub nar_hash: Sha256Digest,
    /// Length of the NAR in bytes.
    pub nar_size: u64,
}

impl From<VerifiedNar> for IndexedNar {
    fn from(nar: VerifiedNar) -> Self {
        let VerifiedNar { nar_hash, nar_size, file_hash, file_size } = nar;
        Self { file_hash, file_size, nar_hash, nar_size }
    }
}

impl IndexedNar {
    /// The same, as a pusher is told.
    #[must_use]
    pub const fn verified(&self) -> VerifiedNar {
        let Self { file_hash, file_size, nar_hash, nar_size } = *self;
        VerifiedNar { nar_hash, nar_size, file_hash, file_size }
    }
}

/// A path that is about to be published.
#[derive(Clone, Debug)]
pub struct NewPath {
    /// The path.
    pub path: StorePath,
    /// Where its NAR is.
    pub nar: ObjectKey,
    /// Length of its NAR in bytes.
    pub nar_size: u64,
    /// Length of the stored file in bytes.
    pub file_size: u64,
    /// The paths it refers to, without itself.
    pub references: Vec<StorePath>,
    /// The derivation that made it.
    pub deriver: Option<StorePath>,
    /// Those of the references that are always available elsewhere.
    pub elsewhere: Vec<HashPart>,
}

/// A path that lies in the storage already.
#[derive(Clone, Debug)]
pub struct ImportedPath {
    /// The path as it was published.
    pub path: NewPath,
    /// Hash and length of its file and NAR, as its narinfo says; not verified.
    pub nar: IndexedNar,
    /// When it was stored.
    pub stored: SystemTime,
}

/// The reason why a path cannot be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishRefusal {
    /// Its NAR is not there, or is being removed.
    MissingNar,
    /// These references are not there, or are being removed.
    MissingReferences(Vec<StorePath>),
    /// It is published already: with which NAR, the storage says.
    AlreadyPublished,
    /// Another pusher is just publishing it with another NAR.
    Busy,
    /// It is just being removed.
    Deleting,
}

/// In which state a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathState {
    /// Something refers to it; it is not here.
    Elsewhere,
    /// Its narinfo is about to become visible.
    Publishing,
    /// Its narinfo is visible.
    Published,
    /// Its narinfo is visible, and a collector means to remove it. A pusher or root that counts on it makes it published again.
    Condemned,
    /// It is being removed by the holder of a claim; a pusher waits for that and uploads it again.
    Deleting,
}

impl PathState {
    /// The number in the database.
    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Elsewhere => 0,
            Self::Publishing => 1,
            Self::Published => 2,
            Self::Condemned => 3,
            Self::Deleting => 4,
        }
    }

    /// Whether its narinfo is visible, and nothing has begun to remove it.
    pub(super) const fn is_visible(self) -> bool {
        match self {
            Self::Published | Self::Condemned => true,
            Self::Elsewhere | Self::Publishing | Self::Deleting => false,
        }
    }

    /// Whether its publication has ended.
    pub(super) const fn is_settled(self) -> bool {
        match self {
            Self::Published | Self::Condemned | Self::Deleting => true,
            Self::Elsewhere | Self::Publishing => false,
        }
    }

    pub(super) const fn of_number(number: i64) -> Self {
        match number {
            1 => Self::Publishing,
            2 => Self::Published,
            3 => Self::Condemned,
            4 => Self::Deleting,
            _ => Self::Elsewhere,
        }
    }
}

/// The state of a NAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NarState {
    /// It is there, and stays for its grace.
    Live,
    /// It is there, and a collector means to remove it. A path that counts on it makes it live again.
    Condemned,
    /// It is being removed by the holder of a claim.
    Deleting,
    /// It is about to be stored.
    Arriving,
}

impl NarState {
    pub(super) const fn of_number(number: i64) -> Self {
        match number {
            1 => Self::Condemned,
            2 => Self::Deleting,
            3 => Self::Arriving,
            _ => Self::Live,
        }
    }
}

/// One publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Who published.
    pub pusher: Pusher,
    /// When.
    pub at: SystemTime,
    /// Whether it was seen to end. Otherwise it was cut off, and the path may be visible or not.
    pub is_confirmed: bool,
}

/// An order to remove a path, which was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Who gave it.
    pub who: Pusher,
    /// When.
    pub at: SystemTime,
}

/// Something that one server at a time changes.
#[derive(Clone, Copy, Debug)]
pub enum Exclusive<'a> {
    /// The narinfo of a path.
    Path(&'a HashPart),
    /// A NAR. One who holds a path may ask for a NAR, and never the other way.
    Nar(&'a ObjectKey),
    /// A root. One who holds a root asks for nothing else.
    Root(&'a RootName),
}

/// Held while something is changed; dropped, it lets others have their turn.
pub struct IndexLock {
    _held: Box<dyn Send + Sync>,
}

impl IndexLock {
    pub(super) fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl std::fmt::Debug for IndexLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexLock")
    }
}

/// The present time, as databases hold times: in seconds since 1970.
pub(super) fn now() -> i64 {
    seconds(SystemTime::now())
}

/// A time from a database.
pub(super) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

/// A time, as databases hold it.
pub(super) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// How long a publication with another NAR is given time to end, in seconds. One that was cut off does not block the
/// path for longer.
pub(super) const PUBLICATION_LEASE: i64 = 120;

/// Whether a publication may begin, by the row of the path: its state, its NAR, and when it was touched.
pub(super) fn arbitrate(
    known: Option<(i64, Option<String>, i64)>,
    nar: &ObjectKey,
    now: i64,
) -> Option<PublishRefusal> {
    let (state, known_nar, touched) = known?;
    match PathState::of_number(state) {
        PathState::Published | PathState::Condemned => Some(PublishRefusal::AlreadyPublished),
        PathState::Deleting => Some(PublishRefusal::Deleting),
        PathState::Publishing
            if known_nar.as_deref() != Some(nar.as_str()) && now - touched < PUBLICATION_LEASE =>
        {
            Some(PublishRefusal::Busy)
        }
        PathState::Publishing | PathState::Elsewhere => None,
    }
}

/// A number of rows, as databases take it.
pub(super) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A number of bytes, as databases hold it.
pub(super) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
