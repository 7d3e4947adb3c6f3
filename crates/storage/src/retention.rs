//! The policy of retention, as the configuration says it.

use std::time::Duration;

use rns_cache::{RootLifetime, RootRule};
use rns_formats::RootName;

/// The policy of retention. A path that is kept keeps all that it needs; roots are kept always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A path stays for so long after it was pushed, or a pusher was told of it.
    pub min_age: Duration,
    /// A path that was not read for so long may go.
    pub unused_for: Option<Duration>,
    /// Bytes of NARs, above which the least recently used closures go.
    pub max_size: Option<u64>,
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
            && self.max_closures.is_none()
            && !self.keep_roots
    }

    /// How long a root is kept that is wanted for so long: at most as long as every rule about its name allows.
    #[must_use]
    pub fn lifetime(&self, name: &RootName, wanted: RootLifetime) -> RootLifetime {
        RootRule::lifetime(&self.rules, name, wanted)
    }
}
