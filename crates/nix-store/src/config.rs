//! The configuration of the store: where it is, and the bounds of reading it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rns_formats::StoreDir;

use crate::{NarCacheConfig, Prewarm};

/// A Nix store on this machine: where its parts are, and the bounds of reading it.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The logical store directory: the prefix of every store path, `/nix/store` nearly everywhere.
    pub store_dir: StoreDir,
    /// The directory that holds the store paths on disk; differs from `store_dir` in a chroot store.
    pub real_dir: PathBuf,
    /// The SQLite database of valid paths, `…/var/nix/db/db.sqlite`.
    pub database: PathBuf,
    /// Where build logs are kept, `…/var/log/nix/drvs`.
    pub log_dir: PathBuf,
    /// Socket of the Nix daemon, which keeps a path alive while it is sent. None: never ask it.
    pub daemon_socket: Option<PathBuf>,
    /// Database connections that answer lookups side by side.
    pub readers: usize,
    /// How long a locked database is waited for.
    pub busy_timeout: Duration,
    /// The meaning of a missing database.
    pub absent: AbsentStore,
    /// Which NARs are compared with their registered hash while they are sent.
    pub verify: Verify,
    /// Memory for NAR layouts, in bytes; another quarter of it is for rows of the database.
    pub layout_cache_bytes: usize,
    /// How long a download waits for the daemon to protect its path.
    pub temp_root_wait: Duration,
    /// Connections to the daemon.
    pub daemon_connections: usize,
    /// Entries of the index of debug information, and of the index of NAR hashes.
    pub index_entries: usize,
    /// Where compressed NARs are kept. None: nothing is compressed.
    pub nar_cache: Option<NarCacheConfig>,
    /// The NARs that are compressed before any client asks for them.
    pub prewarm: Prewarm,
}

/// The meaning of a missing database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbsentStore {
    /// An outage: every lookup fails until the database is there.
    #[default]
    Unavailable,
    /// An empty store: every lookup is a miss.
    Empty,
}

/// Which NARs are compared with their registered hash while they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Every path the first time it is sent whole, and again when its files have changed.
    #[default]
    Once,
    /// Every NAR that is sent whole.
    Always,
    /// None.
    Never,
}

impl StoreConfig {
    /// The store below `root`: `/` for the machine's own, another directory for a chroot store
    /// (Nix calls it `local?root=…`).
    #[must_use]
    pub fn for_root(root: &Path, store_dir: StoreDir) -> Self {
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        // Below a root, Nix keeps the paths in `nix/store` for every logical directory.
        let real_dir =
            if root == Path::new("/") { store_dir.as_str().into() } else { below("nix/store") };
        Self {
            real_dir,
            store_dir,
            database: below("nix/var/nix/db/db.sqlite"),
            log_dir: below("nix/var/log/nix/drvs"),
            daemon_socket: Some(below("nix/var/nix/daemon-socket/socket")),
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            absent: AbsentStore::Unavailable,
            verify: Verify::Once,
            layout_cache_bytes: 64 << 20,
            temp_root_wait: Duration::from_secs(2),
            daemon_connections: 4,
            index_entries: 2_000_000,
            nar_cache: None,
            prewarm: Prewarm::default(),
        }
    }
}
