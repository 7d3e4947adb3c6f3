//! The paths that one cache keeps from being collected: pushed ones for their time, and those of roots.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rns_cache::{CacheError, Pusher};
use rns_formats::{HashPart, RootName, StoreDir, StorePath};
use tokio::task::spawn_blocking;

use crate::gcroots::{GcRoots, NamedRoots, RootGroup};

/// The paths that one cache keeps. Clones are the same.
#[derive(Clone)]
pub(super) struct KeptPaths {
    roots: Arc<Roots>,
    lifetime: Arc<Lifetime>,
}

/// How long paths are kept that are pushed, or told to a pusher, in milliseconds. All caches share it.
pub(super) struct Lifetime(AtomicU64);

impl Lifetime {
    pub(super) fn new(lifetime: Duration) -> Self {
        let this = Self(AtomicU64::default());
        this.set(lifetime);
        this
    }

    /// Changes it from now on.
    pub(super) fn set(&self, lifetime: Duration) {
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        self.0.store(lifetime, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// The links of one cache.
pub(super) struct Roots {
    directory: PathBuf,
    pub(super) pushed: GcRoots,
    /// Those that clients have set.
    pub(super) named: NamedRoots,
}

impl KeptPaths {
    /// Learns which there are in the folder of a cache. A directory that cannot be used is told to the operator, here and with
    /// each refused push.
    pub(super) fn open(directory: PathBuf, store_dir: &StoreDir, lifetime: Arc<Lifetime>) -> Self {
        let roots = Roots {
            pushed: GcRoots::new(directory.clone(), store_dir.clone()),
            named: NamedRoots::new(&directory, store_dir.clone()),
            directory,
        };
        if let Err(error) = roots.pushed.open().and_then(|()| roots.named.open()) {
            tracing::error!("{}", not_kept(&roots.directory, &error));
        }
        Self { roots: Arc::new(roots), lifetime }
    }

    /// Whether a path was pushed, a pusher was told that it is there, or a root names it.
    pub(super) fn holds(&self, hash: &HashPart) -> bool {
        self.roots.pushed.holds(hash) || self.roots.named.holds(hash)
    }

    /// Keeps a path that was pushed.
    pub(super) async fn push(&self, path: &StorePath, pusher: &Pusher) -> Result<(), CacheError> {
        let (group, path, expires) =
            (RootGroup::pushed_by(&pusher.name), path.clone(), self.expires());
        self.change(move |roots| roots.pushed.set(&group, &[path], expires)).await
    }

    /// Keeps a path that a pusher is told of.
    pub(super) async fn promise(&self, path: &StorePath) -> Result<(), CacheError> {
        let (path, expires) = (path.clone(), self.expires());
        self.change(move |roots| roots.pushed.renew(&path, &RootGroup::promised(), expires)).await
    }

    /// Lets go of a path that was pushed, unless roots name it. Whether it was kept; the roots otherwise.
    pub(super) async fn release(
        &self,
        hash: HashPart,
    ) -> Result<Result<bool, Vec<RootName>>, CacheError> {
        self.change(move |roots| {
            let naming = roots.named.naming(&hash)?;
            Ok(if naming.is_empty() { Ok(roots.pushed.release(&hash)?) } else { Err(naming) })
        })
        .await
    }

    /// Lets go of paths and roots whose time is over.
    pub(super) async fn expire(&self) {
        let now = SystemTime::now();
        let expired =
            self.change(move |roots| Ok((roots.pushed.expire(now)?, roots.named.expire(now)?)));
        match expired.await {
            Ok((paths, roots)) => {
                if paths > 0 {
                    tracing::info!("let go of {paths} pushed paths: their time is over");
                }
                if roots > 0 {
                    tracing::info!("{roots} revisions of roots are gone: their time is over");
                }
            }
            Err(CacheError::ShuttingDown) => {}
            Err(error) => tracing::warn!("{error}"),
        }
    }

    /// Reads or changes the links, which blocks.
    ///
    /// # Errors
    /// `Unavailable` when that fails.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Roots) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CacheError> {
        let roots = Arc::clone(&self.roots);
        let changed = spawn_blocking(move || {
            change(&roots).map_err(|error| not_kept(&roots.directory, &error))
        });
        changed.await.map_err(|_| CacheError::ShuttingDown)?
    }

    fn expires(&self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_add(self.lifetime.get()).unwrap_or(now)
    }
}

fn not_kept(directory: &Path, error: &io::Error) -> CacheError {
    CacheError::Unavailable {
        what: format!("paths cannot be kept in {}: {error}", directory.display()),
        remedy: match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                "name this directory in ReadWritePaths= of the unit; until then pushes and roots are refused"
            }
            _ => {
                "make this directory and give it to the user of this server, or name another one below Nix's \
                 gcroots in upload.roots_directory; until then pushes and roots are refused"
            }
        },
    }
}
