//! The policy of retention, as the configuration says it.

use std::time::Duration;

use rns_cache::{KeepFree, RootLifetime, RootRule};
use rns_formats::RootName;

/// From which part of `max_size` on a server lets closures go, in percent: before pushes exceed it.
pub const FULL_PERCENT: u64 = 95;

/// Down to which part they go then: each collection looks at everything, so there should not be one for each push.
pub const TARGET_PERCENT: u64 = 90;

/// The policy of retention. A path that is kept keeps all that it needs; roots are kept always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A path stays for so long after it was pushed, or a pusher was told of it.
    pub min_age: Duration,
    /// A path that was not read for so long may go.
    pub unused_for: Option<Duration>,
    /// Bytes of NARs, above which the least recently used closures go.
    pub max_size: Option<u64>,
    /// The part of the disk that is kept free, where the storage is a directory: the least recently used closures go.
    pub keep_free: Option<KeepFree>,
    /// Number of closures, above which the least recently used ones go.
    pub max_closures: Option<u64>,
    /// Whether a path that no root needs may go, unless it is young or in use.
    pub keep_roots: bool,
    /// How long roots are kept, by their names.
    pub rules: Vec<RootRule>,
}

impl Default for Retention {
    /// Everything is kept.
    fn default() -> Self {
        Self {
            min_age: Duration::from_secs(24 * 3600),
            unused_for: None,
            max_size: None,
            keep_free: None,
            max_closures: None,
            keep_roots: false,
            rules: Vec::new(),
        }
    }
}

impl Retention {
    /// Whether anything may ever go.
    #[must_use]
    pub const fn keeps_everything(&self) -> bool {
        self.unused_for.is_none()
            && self.max_size.is_none()
            && self.keep_free.is_none()
            && self.max_closures.is_none()
            && !self.keep_roots
    }

    /// Whether NARs of so many bytes are near `max_size`: a server lets closures go.
    #[must_use]
    pub fn is_nearly_full(&self, bytes: u64) -> bool {
        self.max_size.is_some_and(|max_size| bytes > percent(max_size, FULL_PERCENT))
    }

    /// The same policy with the limits that a server makes room down to.
    #[must_use]
    pub fn with_room(&self) -> Self {
        let max_size = self.max_size.map(|max_size| percent(max_size, TARGET_PERCENT));
        Self { max_size, ..self.clone() }
    }

    /// How long a root is kept that is wanted for so long: at most as long as every rule about its name allows.
    #[must_use]
    pub fn lifetime(&self, name: &RootName, wanted: RootLifetime) -> RootLifetime {
        RootRule::lifetime(&self.rules, name, wanted)
    }
}

/// A part of a number of bytes.
#[must_use]
pub const fn percent(bytes: u64, percent: u64) -> u64 {
    bytes / 100 * percent + bytes % 100 * percent / 100
}
