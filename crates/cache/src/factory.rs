//! How a server gets its caches without knowing a backend by name.

use std::{fmt, pin::Pin, sync::Arc};

use crate::{BackendStats, BinaryCache, ExposurePolicy, WritableCache};

/// Whether requests are being answered, or were a moment ago.
pub type IsBusy = dyn Fn() -> bool + Send + Sync;

/// Work that goes on for as long as it is polled.
pub type IdleWork = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where uploads to a cache go.
pub struct UploadTarget {
    /// The cache that takes them.
    pub target: Arc<dyn WritableCache>,
    /// The cache as pushers see it: paths that stay, and paths that need not be pushed.
    pub view: Arc<dyn BinaryCache>,
    /// Whether the cache consists of nothing else, so that its readers see the same paths as pushers.
    pub is_whole: bool,
}

/// Builds the named caches of one configuration out of backends. Each reload makes a new factory. All factories of a process
/// share open databases, locks and connections.
pub trait CacheFactory: Send + Sync {
    /// The cache with this name in the configuration (the default one has none). It shows the paths that the policy exposes.
    /// Its policy is evaluated from now on; see [`BinaryCache::settled`].
    fn cache(&self, name: Option<&str>, expose: &ExposurePolicy) -> Arc<dyn BinaryCache>;

    /// The target of uploads to the cache with this name. Clients that are confined to some names see only these in the
    /// storage. `None`: it takes none.
    fn uploads(&self, _name: Option<&str>, _expose: &ExposurePolicy) -> Option<UploadTarget> {
        None
    }

    /// The caches of this factory take the place of those of an earlier one. Work in the background goes on under its
    /// configuration; requests that were begun before end as they began.
    fn take_effect(&self) {}

    /// Counters that all caches of this factory share.
    fn stats(&self) -> BackendStats;

    /// Work for times without requests. `None`: there is none.
    fn idle_work(&self, _is_busy: Arc<IsBusy>) -> Option<IdleWork> {
        None
    }
}

impl fmt::Debug for dyn CacheFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheFactory")
    }
}
