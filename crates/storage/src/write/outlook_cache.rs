//! The paths that would go, as they were found out last.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::timed_cache::TimedCache;
use crate::collect::Outlook;

/// The answers that were found out last. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct OutlookCache {
    /// `None`: the index is larger than the limits.
    pub(super) all: TimedCache<Option<Arc<Outlook>>>,
    /// One reason is looked for at a time: that of a path to which much refers takes some memory.
    pub(super) why: Arc<Mutex<()>>,
}
