//! The configuration file as it is written: one structure for each table, a description for each key.
//!
//! The reference in `docs/configuration.md`, the names of the environment variables and the check for unknown
//! keys all come from here, and so does the effect of a reload: the property `x-reload` of a key, or else of its table.
//! Nothing outside `config` sees these types.

mod access;
mod cache;
mod index;
mod limits;
mod nar_cache;
mod retention;
mod signing;
mod storage;
mod upload;

use std::{collections::BTreeMap, path::Path};

use rns_formats::StoreDir;
use rns_nix_store::{StoreConfig, Verify};
use rns_server::config::CacheConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    access::{RawAccess, RawCacheAccess, RawOidc},
    cache::{RawCache, RawExpose},
    index::RawIndex,
    limits::RawLimits,
    nar_cache::{RawCompression, RawNarCache, RawNginx},
    retention::{RawRetention, RawRootRule},
    signing::{RawCacheSigning, RawPolicy, RawSigning},
    storage::RawStorage,
    upload::{RawCacheUpload, RawUpload, RawUploadTarget},
};
use super::units::{ByteSize, Span};

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawConfig {
    /// Where to listen: `ADDRESS:PORT`, `[IPV6]:PORT`, `localhost:PORT` for both loopbacks, `*:PORT` for every
    /// address of the machine, `unix:/path/of/socket`; `[::]:PORT` takes IPv4 as well unless an IPv4 address is
    /// listed with the same port; `tls://ADDRESS:PORT` speaks TLS. Sockets passed by
    /// systemd (`LISTEN_FDS`) replace the list; those named `tls` speak TLS.
    pub(crate) listen: Vec<String>,
    /// Threads that answer requests; 0 is one for each processor.
    pub(crate) workers: usize,
    /// The address for clients, where it is not the one listened on, as behind a proxy. Shown at the start and on
    /// the page at `/`.
    pub(crate) public_url: String,
    /// Time that running downloads get after a request to stop.
    pub(crate) shutdown_grace: Span,
    /// Whether narinfos in memory, paths that are not there and small compressed NARs are answered before the HTTP framework
    /// sees the request. The answers are the same without it, and cost more.
    pub(crate) fast_path: bool,
    pub(crate) unix: RawUnix,
    pub(crate) store: RawStore,
    pub(crate) storage: RawStorage,
    pub(crate) upload: RawUpload,
    pub(crate) index: RawIndex,
    pub(crate) retention: RawRetention,
    pub(crate) cache_info: RawCacheInfo,
    pub(crate) signing: RawSigning,
    pub(crate) tls: RawTls,
    pub(crate) access: RawAccess,
    pub(crate) expose: RawExpose,
    pub(crate) cache: BTreeMap<String, RawCache>,
    pub(crate) nar_cache: RawNarCache,
    pub(crate) nginx: RawNginx,
    pub(crate) metrics: RawMetrics,
    pub(crate) limits: RawLimits,
    pub(crate) log: RawLog,
}

/// Unix sockets of `listen`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawUnix {
    /// Permission bits of the sockets, in octal.
    pub(crate) mode: String,
}

/// The store that is served.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStore {
    /// Whether the local store is served. Without it, only `storage.url` is.
    pub(crate) enabled: bool,
    /// The directory below which the store lives, as in Nix's `local?root=…`; empty is the machine's own store.
    pub(crate) root: String,
    /// The logical store directory: the prefix of every store path. A client must have the same one.
    pub(crate) dir: String,
    /// Where the store paths are on disk; empty follows from `root` and `dir`.
    pub(crate) real_dir: String,
    /// Nix's database; empty is `nix/var/nix/db/db.sqlite` below `root`.
    pub(crate) database: String,
    /// Where Nix keeps build logs; empty is `nix/var/log/nix/drvs` below `root`.
    pub(crate) log_dir: String,
    /// Socket of the Nix daemon, which protects a path from garbage collection while it is sent; empty is
    /// `nix/var/nix/daemon-socket/socket` below `root`, `none` never asks a daemon.
    pub(crate) daemon_socket: String,
    /// How long a download waits for the daemon before it goes on unprotected.
    pub(crate) temp_root_wait: Span,
    /// Database connections that answer lookups side by side.
    pub(crate) readers: usize,
    /// How long a locked database is waited for.
    pub(crate) busy_timeout: Span,
    /// The NARs that are compared with their registered hash while they are sent.
    pub(crate) verify: RawVerify,
    /// Memory for the layouts of NARs, which make ranges and lengths cheap; a quarter of it beside that is for
    /// rows of the database.
    pub(crate) layout_cache: ByteSize,
    /// Connections to the Nix daemon, each of which is a process of its own there.
    pub(crate) daemon_connections: usize,
    /// Entries, of 16 bytes each, of the index of debug information and of that of NAR hashes. Both are made
    /// at the first request for such a URL.
    pub(crate) index_entries: usize,
}

/// The NARs that are compared with their registered hash while they are sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawVerify {
    /// each path the first time it is sent whole, and again when its files have changed
    Once,
    /// every NAR that is sent whole
    Always,
    /// none
    Never,
}

/// The contents of `/nix-cache-info`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawCacheInfo {
    /// Clients ask the cache with the lowest number first; cache.nixos.org says 40.
    pub(crate) priority: i32,
    /// Whether clients may ask for many paths at once, as `nix-env -qas` does.
    pub(crate) want_mass_query: bool,
}

/// Certificate of the `tls://` listeners. The files are read again when they change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub(crate) struct RawTls {
    /// The certificate chain, PEM, the server's own certificate first. Relative names as in `signing.keys`.
    pub(crate) certificate: String,
    /// The private key, PEM. Relative names as in `signing.keys`.
    pub(crate) key: String,
    /// Certificates, PEM, of the authority that signs client certificates. Clients are then asked for one, and `access.subjects`
    /// has its permissions; clients without one are anonymous, or have a token. Relative names as in `signing.keys`.
    pub(crate) client_ca: String,
}

/// Listeners for monitoring.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawMetrics {
    /// Addresses that answer only `/metrics`, `/healthz` and `/readyz`, to every client that can connect. Written as in `listen`, without
    /// TLS. A socket passed by systemd under the name `metrics` replaces the list.
    pub(crate) listen: Vec<String>,
}

/// Logging, on standard error.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    /// `error`, `warn`, `info`, `debug` or `trace`; for one part of the program `rns_nix_store=debug,info`.
    #[schemars(extend("x-reload" = true))]
    pub(crate) level: String,
    /// How a line looks.
    pub(crate) format: RawFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawFormat {
    /// text; under systemd without the time, which the journal knows, and with the journal's priority
    Auto,
    /// text with the time
    Text,
    /// one JSON object for each line
    Json,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:5000".into(), "[::1]:5000".into()],
            workers: 0,
            public_url: String::new(),
            shutdown_grace: Span::seconds(60),
            fast_path: true,
            unix: RawUnix::default(),
            store: RawStore::default(),
            storage: RawStorage::default(),
            upload: RawUpload::default(),
            index: RawIndex::default(),
            retention: RawRetention::default(),
            cache_info: RawCacheInfo::default(),
            signing: RawSigning::default(),
            tls: RawTls::default(),
            access: RawAccess::default(),
            expose: RawExpose::default(),
            cache: BTreeMap::new(),
            nar_cache: RawNarCache::default(),
            nginx: RawNginx::default(),
            metrics: RawMetrics::default(),
            limits: RawLimits::default(),
            log: RawLog::default(),
        }
    }
}

impl Default for RawUnix {
    fn default() -> Self {
        Self { mode: "0660".into() }
    }
}

impl Default for RawStore {
    fn default() -> Self {
        let store = StoreConfig::for_root(Path::new("/"), StoreDir::default());
        Self {
            enabled: true,
            root: String::new(),
            dir: store.store_dir.as_str().to_owned(),
            real_dir: String::new(),
            database: String::new(),
            log_dir: String::new(),
            daemon_socket: String::new(),
            temp_root_wait: Span(store.temp_root_wait),
            readers: store.readers,
            busy_timeout: Span(store.busy_timeout),
            verify: match store.verify {
                Verify::Once => RawVerify::Once,
                Verify::Always => RawVerify::Always,
                Verify::Never => RawVerify::Never,
            },
            layout_cache: ByteSize::of(store.layout_cache_bytes),
            daemon_connections: store.daemon_connections,
            index_entries: store.index_entries,
        }
    }
}

impl Default for RawCacheInfo {
    fn default() -> Self {
        let CacheConfig { priority, want_mass_query, .. } = CacheConfig::default();
        Self { priority, want_mass_query }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: "info".into(), format: RawFormat::Auto }
    }
}
