//! Claims of collectors, and the rows that they read.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    time::{Duration, Instant, SystemTime},
};

use rns_cache::Pusher;
use rns_formats::StorePath;

use super::{PathState, types::seconds};

/// How long a claim lasts, by the clock of the database. After that another one may begin. Pushers of a path wait for so
/// long when its collector was killed.
pub(super) const CLAIM_LEASE: Duration = Duration::from_secs(45);

/// How long after the beginning of a claim its holder still works on it: the rest is for requests that a storage carries
/// out late.
const CLAIM_TIME: Duration = Duration::from_secs(30);

/// Which rows are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Paths.
    Paths,
    /// NARs.
    Nars,
    /// Documents beside paths. Nothing condemns them: they have no state between being there and being removed.
    Documents,
}

/// Times after which a path is left alone: when it was told to a pusher, or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Nothing that was told to a pusher later is removed.
    pub untouched_since: SystemTime,
    /// Nothing that was read later is removed.
    pub unread_since: SystemTime,
}

impl Unused {
    pub(super) fn touched(self) -> i64 {
        seconds(self.untouched_since)
    }

    pub(super) fn used(self) -> i64 {
        seconds(self.unread_since)
    }
}

/// The right to remove claimed rows, until it ends.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    number: i64,
    begun: Instant,
}

impl Claim {
    /// A new claim, whose time begins now: before anything is claimed.
    #[must_use]
    pub fn new() -> Self {
        // Two claims with one number would be one in two million years of claims each millisecond.
        let number = RandomState::new().build_hasher().finish();
        Self { number: i64::from_ne_bytes(number.to_ne_bytes()), begun: Instant::now() }
    }

    pub(super) const fn number(&self) -> i64 {
        self.number
    }

    /// How long a request may take that removes something which was claimed. `None`: the claim is over.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        CLAIM_TIME.checked_sub(self.begun.elapsed()).filter(|left| !left.is_zero())
    }
}

impl Default for Claim {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its row.
    pub id: i64,
    /// The hash part of a path, or the key of a NAR.
    pub name: String,
    /// Length of the NAR as it is stored, in bytes.
    pub file_size: u64,
}

/// An order to remove a path.
#[derive(Clone, Copy, Debug)]
pub struct RemovalOrder<'a> {
    /// Who gives it.
    pub who: &'a Pusher,
    /// Whether it goes although a root names it: it cannot be had any more.
    pub even_rooted: bool,
}

/// The outcome of an order to claim one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It is claimed.
    Claimed(Claimed),
    /// Another one removes it just now.
    Busy,
    /// Something needs it: a path refers to it or has the NAR, or a root names it.
    Needed,
    /// There is nothing of it.
    Absent,
}

/// A path, as a collector sees it. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedPathRow {
    /// Its row.
    pub id: i64,
    /// Its state, as [`super::PathState`] numbers them.
    pub state: i64,
    /// The row of its NAR.
    pub nar: Option<i64>,
    /// When it was published.
    pub published: i64,
    /// When it was told to a pusher.
    pub touched: i64,
    /// When it was read; 0 without a read on record.
    pub used: i64,
}

impl IndexedPathRow {
    /// Its state.
    #[must_use]
    pub const fn path_state(&self) -> PathState {
        PathState::of_number(self.state)
    }
}

/// The record of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedPath {
    /// The path.
    pub path: StorePath,
    /// Its state.
    pub state: PathState,
    /// When it was published.
    pub published: SystemTime,
    /// When it was last told to a pusher to be there.
    pub touched: SystemTime,
    /// When it was last read; `None` without a read on record.
    pub used: Option<SystemTime>,
    /// Length of its NAR in bytes.
    pub nar_size: u64,
    /// Length of its NAR as it is stored, in bytes.
    pub file_size: u64,
}

/// A path that is here, as a cause that another one stays. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Its row.
    pub id: i64,
    /// When it was told to a pusher.
    pub touched: i64,
    /// When it was read.
    pub used: i64,
    /// Whether it is just being published.
    pub is_publishing: bool,
    /// A root that names it.
    pub root: Option<String>,
}

/// A collection that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionRecord {
    /// When it began.
    pub begun: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// Paths that it removed.
    pub paths: u64,
    /// Bytes of NARs that it removed.
    pub bytes: u64,
}

/// A NAR, as a collector sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarRow {
    /// Its row.
    pub id: i64,
    /// Whether it is there and nothing is being done to it.
    pub is_live: bool,
    /// When it was told to a pusher.
    pub touched: i64,
    /// Length of its file in bytes.
    pub file_size: u64,
}

/// The bytes of NARs after one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSince {
    /// The row of the newest one before those that still arrive, whose lengths are not known.
    pub newest: i64,
    /// Bytes of those up to that one.
    pub settled: u64,
    /// Bytes of all.
    pub all: u64,
}
