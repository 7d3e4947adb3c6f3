//! The result of planning: which paths stay and go, and why.

use std::time::SystemTime;

use crate::index::Unused;

/// Why a path stays: itself, or a path that needs it. The strongest reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A root names it.
    Root,
    /// It was pushed, or told to a pusher to be there, within `min_age`; or it is just being published.
    Young,
    /// It was read, or told to a pusher, within `unused_for`.
    Used,
    /// No rule lets it go, and the limits have room for it.
    Allowed,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Root, Self::Young, Self::Used, Self::Allowed];

    /// The reason of several paths, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Root => "roots need them",
            Self::Young => "pushed, or told to a pusher, within min_age",
            Self::Used => "used within unused_for",
            Self::Allowed => "no rule lets them go",
        }
    }

    /// The reason in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Young => "young",
            Self::Used => "used",
            Self::Allowed => "allowed",
        }
    }
}

/// Why a path goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A collection that was cut off had begun to remove it.
    Interrupted,
    /// Nothing that is in use needs it.
    Unused,
    /// No root needs it.
    Unrooted,
    /// It belongs to the least recently used closures, and `max_size` is exceeded.
    Size,
    /// The same, and the disk has less free than `keep_free`.
    Disk,
    /// The same with `max_closures`.
    Closures,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Interrupted, Self::Unused, Self::Unrooted, Self::Size, Self::Disk, Self::Closures];

    /// The cause for several paths, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Interrupted => "a collection that was cut off had begun with them",
            Self::Unused => "not used for unused_for",
            Self::Unrooted => "no root needs them",
            Self::Size => "used least recently, and max_size is exceeded",
            Self::Disk => "used least recently, and the disk has less free than keep_free",
            Self::Closures => "used least recently, and max_closures is exceeded",
        }
    }

    /// The cause in lists for programs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Unused => "unused",
            Self::Unrooted => "unrooted",
            Self::Size => "size",
            Self::Disk => "disk",
            Self::Closures => "closures",
        }
    }
}

/// The fate of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not here.
    Elsewhere,
    /// It stays.
    Kept(Reason),
    /// It goes.
    Goes(Cause),
}

/// A number of paths, and the bytes of their NARs as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Paths.
    pub paths: u64,
    /// Bytes; a NAR of several paths counts once, for the strongest reason.
    pub bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, bytes: u64) {
        self.paths += 1;
        self.bytes += bytes;
    }
}

/// The paths that stay and those that go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The fate of each path, by its number in the graph.
    pub verdicts: Vec<Verdict>,
    /// The paths that go, in that order: no path goes before one that refers to it, and the least recently used go first.
    pub going: Vec<usize>,
    /// Paths that would go and refer to each other in a circle, which no honest path does. They stay.
    pub circular: u64,
    /// The amount that stays, by reason.
    pub kept: [Amount; Reason::ALL.len()],
    /// The amount that goes, by cause. The bytes are of NARs that no path keeps.
    pub freed: [Amount; Cause::ALL.len()],
    /// NARs that no path has, and that go.
    pub orphan_nars: Vec<usize>,
    /// Bytes of them.
    pub orphan_bytes: u64,
    /// Bytes of NARs that no path keeps, and that stay for their grace.
    pub waiting_bytes: u64,
    /// Condemned paths that stay.
    pub revived: Vec<usize>,
    /// The conditions that a path must still meet when it goes.
    pub unused: Unused,
    /// When the first path that only its age keeps is old enough to go.
    pub first_aged: Option<SystemTime>,
}

impl Plan {
    /// Bytes of NARs that are there, before anything goes.
    #[must_use]
    pub fn present_bytes(&self) -> u64 {
        let amounts = self.kept.iter().chain(&self.freed);
        amounts.map(|amount| amount.bytes).sum::<u64>() + self.orphan_bytes + self.waiting_bytes
    }

    /// Everything that stays.
    #[must_use]
    pub fn kept_amount(&self) -> Amount {
        sum(&self.kept)
    }

    /// Everything that goes, NARs without a path included.
    #[must_use]
    pub fn freed_amount(&self) -> Amount {
        let Amount { paths, bytes } = sum(&self.freed);
        Amount { paths, bytes: bytes + self.orphan_bytes }
    }
}

fn sum(amounts: &[Amount]) -> Amount {
    amounts.iter().fold(Amount::default(), |all, one| Amount {
        paths: all.paths + one.paths,
        bytes: all.bytes + one.bytes,
    })
}
