//! The paths that a cache would let go now, and the reasons why one stays: for clients that may see everything.

use std::time::SystemTime;

use rns_formats::StorePath;

/// Paths that stay, or go, for one reason, and the bytes of their NARs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmountOf {
    /// The reason, for people.
    pub reason: &'static str,
    /// Paths.
    pub paths: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A collection that did not take place: the paths that it would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// When everything was looked at.
    pub as_of: SystemTime,
    /// The amounts that stay.
    pub kept: Vec<AmountOf>,
    /// The amounts that go.
    pub freed: Vec<AmountOf>,
    /// How many paths go.
    pub count: usize,
    /// A part of them, in the order in which they go, with their places from 1 on.
    pub going: Vec<GoingPath>,
}

/// A path that would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoingPath {
    /// Its place among all that go.
    pub place: usize,
    /// The path.
    pub path: StorePath,
    /// Why it goes, for people.
    pub cause: &'static str,
    /// Bytes of its NAR as it is stored.
    pub bytes: u64,
    /// When it was last asked for.
    pub last_use: SystemTime,
}

/// The record of a path, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyKept {
    /// The path.
    pub path: StorePath,
    /// Bytes of its NAR as it is stored.
    pub bytes: u64,
    /// When it was published.
    pub published: SystemTime,
    /// When a pusher was last told of it.
    pub touched: SystemTime,
    /// When it was last read; `None` without a read on record.
    pub read: Option<SystemTime>,
    /// The reasons why it stays. None: it goes.
    pub reasons: Vec<KeepReason>,
    /// When it goes, and because of which rule, where nothing keeps it for good.
    pub fate: Option<String>,
    /// Whether everything that refers to it was looked at.
    pub is_complete: bool,
}

/// A reason why a path stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepReason {
    /// The reason, for programs.
    pub label: &'static str,
    /// The same for people.
    pub text: String,
    /// The paths from the one that the reason is about to this one.
    pub chain: Vec<StorePath>,
}
