//! `[retention]`: which paths the storage keeps.

use std::collections::BTreeMap;

use rns_storage::retention::Retention;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, DiskShare, Span};

/// Which paths the storage keeps. A path stays while a root, its age, its use, or another path needs it. Without `unused_for`,
/// `max_size`, `keep_free`, `max_closures` and `keep_roots` everything stays. See `docs/retention.md`. A collection that runs
/// during a reload ends by the old policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawRetention {
    /// A path stays at least so long after it was pushed, or a pusher was told that it is there. A push of many
    /// paths must end within it.
    pub(crate) min_age: Span,
    /// Paths that were not downloaded for so long may go, such as `30d`.
    pub(crate) unused_for: Option<Span>,
    /// The size of the NARs above which closures go, those that were not used for longest first, such as `100G`.
    pub(crate) max_size: Option<ByteSize>,
    /// The part of the disk that is kept free, such as `20%` or `50G`, where the storage is a directory. When less is free,
    /// closures go, those that were not used for longest first, until it is free again or nothing more may go.
    pub(crate) keep_free: Option<DiskShare>,
    /// The number of closures above which they go, those that were not used for longest first.
    pub(crate) max_closures: Option<u64>,
    /// Whether a path that no root needs may go as soon as it is neither young nor in use. The paths of roots always stay.
    pub(crate) keep_roots: bool,
    /// How often the server collects, besides the collections when `max_size` is near or the disk has less free than
    /// `keep_free`; `0s`: never. The first time is a minute after the start. One server does it, where several share a
    /// PostgreSQL index.
    pub(crate) interval: Span,
    pub(crate) rules: BTreeMap<String, RawRootRule>,
}

/// How often the server collects, in seconds.
const DEFAULT_INTERVAL: u64 = 24 * 3600;

/// How long roots with some names are kept. A request for more gets this much. All rules about a name hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRootRule {
    /// Patterns of names, such as `pr/*`; `*` stands for any text.
    pub(crate) roots: Vec<String>,
    /// The days after which a revision of such a root goes.
    pub(crate) days: Option<u32>,
    /// The revisions of such a root that are kept.
    pub(crate) revisions: Option<u32>,
}

impl Default for RawRetention {
    fn default() -> Self {
        let Retention { min_age, keep_roots, .. } = Retention::default();
        Self {
            min_age: Span(min_age),
            unused_for: None,
            max_size: None,
            keep_free: None,
            max_closures: None,
            keep_roots,
            interval: Span::seconds(DEFAULT_INTERVAL),
            rules: BTreeMap::new(),
        }
    }
}
