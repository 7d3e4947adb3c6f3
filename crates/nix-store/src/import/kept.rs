//! Pushed paths, kept from being collected for their time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rns_cache::{CacheError, Pusher};
use rns_formats::{HashPart, StorePath};
use tokio::task::spawn_blocking;

use crate::gcroots::{GcRoots, RootGroup};

/// The roots of pushed paths, each for as long as the configuration says.
pub(super) struct KeptPaths {
    roots: Arc<GcRoots>,
    /// In milliseconds.
    lifetime: AtomicU64,
}

impl KeptPaths {
    /// Learns which there are. A directory that cannot be used is told to the operator, here and with each refused push.
    pub(super) fn open(roots: GcRoots, lifetime: Duration) -> Self {
        if let Err(error) = roots.open() {
            tracing::error!("{}", not_kept(&roots, &error));
        }
        let kept = Self { roots: Arc::new(roots), lifetime: AtomicU64::default() };
        kept.keep_for(lifetime);
        kept
    }

    /// Changes how long paths are kept that are pushed, or told to a pusher, from now on.
    pub(super) fn keep_for(&self, lifetime: Duration) {
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        self.lifetime.store(lifetime, Ordering::Relaxed);
    }

    /// Whether a path was pushed, or a pusher was told that it is there.
    pub(super) fn holds(&self, hash: &HashPart) -> bool {
        self.roots.holds(hash)
    }

    /// Keeps a path that was pushed.
    pub(super) async fn push(&self, path: &StorePath, pusher: &Pusher) -> Result<(), CacheError> {
        let (group, path, expires) =
            (RootGroup::pushed_by(&pusher.name), path.clone(), self.expires());
        self.change(move |roots| roots.set(&group, &[path], expires)).await
    }

    /// Keeps a path that a pusher is told of.
    pub(super) async fn promise(&self, path: &StorePath) -> Result<(), CacheError> {
        let (path, expires) = (path.clone(), self.expires());
        self.change(move |roots| roots.renew(&path, &RootGroup::promised(), expires)).await
    }

    /// Lets go of a path. Whether it was kept.
    pub(super) async fn release(&self, hash: HashPart) -> Result<bool, CacheError> {
        self.change(move |roots| roots.release(&hash)).await
    }

    /// Lets go of paths whose time is over.
    pub(super) async fn expire(&self) {
        match self.change(|roots| roots.expire(SystemTime::now())).await {
            Ok(0) | Err(CacheError::ShuttingDown) => {}
            Ok(count) => tracing::info!("let go of {count} pushed paths: their time is over"),
            Err(error) => tracing::warn!("{error}"),
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&GcRoots) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CacheError> {
        let roots = Arc::clone(&self.roots);
        let changed =
            spawn_blocking(move || change(&roots).map_err(|error| not_kept(&roots, &error)));
        changed.await.map_err(|_| CacheError::ShuttingDown)?
    }

    fn expires(&self) -> SystemTime {
        let now = SystemTime::now();
        let lifetime = Duration::from_millis(self.lifetime.load(Ordering::Relaxed));
        now.checked_add(lifetime).unwrap_or(now)
    }
}

fn not_kept(roots: &GcRoots, error: &io::Error) -> CacheError {
    CacheError::Unavailable {
        what: format!("pushed paths cannot be kept in {}: {error}", roots.directory().display()),
        remedy: "make this directory and give it to the user of this server, or name another one below Nix's \
                 gcroots in upload.roots_directory; until then pushes are refused",
    }
}
