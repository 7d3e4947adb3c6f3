//! The configuration file as it is written: one structure for each table, a description for each key.
//!
//! The reference in `docs/configuration.md`, the names of the environment variables and the check for unknown
//! keys all come from here. Nothing outside `config` sees these types.

mod access;
mod cache;
mod limits;
mod nar_cache;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    access::{RawAccess, RawCacheAccess, RawOidc},
    cache::{RawCache, RawCacheSigning, RawExpose},
    limits::RawLimits,
    nar_cache::{RawCompression, RawNarCache, RawNginx},
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
    /// The address clients use when it is not the one listened on, as behind a proxy. Shown at the start and on
    /// the page at `/`.
    pub(crate) public_url: String,
    /// How long running downloads may go on after a request to stop.
    pub(crate) shutdown_grace: Span,
    /// Whether narinfos in memory, paths that are not there and small compressed NARs are answered before the HTTP framework
    /// sees the request. The answers are the same without it, and cost more.
    pub(crate) fast_path: bool,
    pub(crate) unix: RawUnix,
    pub(crate) store: RawStore,
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
    /// Which NARs are compared with their registered hash while they are sent.
    pub(crate) verify: RawVerify,
    /// Memory for the layouts of NARs, which make ranges and lengths cheap; an eighth of it beside that is for
    /// rows of the database.
    pub(crate) layout_cache: ByteSize,
    /// Connections to the Nix daemon, each of which is a process of its own there.
    pub(crate) daemon_connections: usize,
    /// Entries, of 16 bytes each, of the index of debug information and of that of NAR hashes. Both are made
    /// when somebody asks for such a URL for the first time.
    pub(crate) index_entries: usize,
}

/// Which NARs are compared with their registered hash while they are sent.
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

/// What `/nix-cache-info` tells clients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawCacheInfo {
    /// Clients ask the cache with the lowest number first; cache.nixos.org says 40.
    pub(crate) priority: i32,
    /// Whether clients may ask for many paths at once, as `nix-env -qas` does.
    pub(crate) want_mass_query: bool,
}

/// Signatures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSigning {
    /// Secret key files, each of which signs. A relative name is looked for in `$CREDENTIALS_DIRECTORY` (systemd's
    /// `LoadCredential=`) where that is set, otherwise in the working directory.
    pub(crate) keys: Vec<String>,
    /// What is signed, and what becomes of the signatures that the store holds.
    pub(crate) policy: RawPolicy,
    /// For the policy `signed-by`: the public keys, each `name:base64`.
    pub(crate) signed_by: Vec<String>,
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawPolicy {
    /// everything that is served, beside the stored signatures: whoever trusts the key trusts the whole store
    Add,
    /// everything that is served, and the stored signatures are dropped
    Replace,
    /// nothing; the stored signatures are served
    Keep,
    /// only what was built on this machine, beside the stored signatures
    Ultimate,
    /// only what carries a valid signature by one of `signed_by`, beside the stored signatures
    SignedBy,
}

/// Certificate of the `tls://` listeners. The files are read again when they change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTls {
    /// The certificate chain, PEM, the server's own certificate first. Relative names as in `signing.keys`.
    pub(crate) certificate: String,
    /// The private key, PEM. Relative names as in `signing.keys`.
    pub(crate) key: String,
    /// Certificates, PEM, that vouch for those of clients. Clients are asked for one then, and what it is worth is in
    /// `access.subjects`; those without one are anonymous, or have a token. Relative names as in `signing.keys`.
    pub(crate) client_ca: String,
}

/// Listeners for those who watch the service.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawMetrics {
    /// Where nothing but `/metrics`, `/healthz` and `/readyz` is answered, to everybody who can connect. Written as in `listen`, without
    /// TLS. A socket passed by systemd under the name `metrics` replaces the list.
    pub(crate) listen: Vec<String>,
}

/// Logging, on standard error.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    /// `error`, `warn`, `info`, `debug` or `trace`; for one part of the program `rns_nix_store=debug,info`.
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
        Self {
            root: String::new(),
            dir: "/nix/store".into(),
            real_dir: String::new(),
            database: String::new(),
            log_dir: String::new(),
            daemon_socket: String::new(),
            temp_root_wait: Span::seconds(2),
            readers: 4,
            busy_timeout: Span::seconds(5),
            verify: RawVerify::Once,
            layout_cache: ByteSize(64 << 20),
            daemon_connections: 4,
            index_entries: 2_000_000,
        }
    }
}

impl Default for RawCacheInfo {
    fn default() -> Self {
        Self { priority: 50, want_mass_query: true }
    }
}

impl Default for RawSigning {
    fn default() -> Self {
        Self { keys: Vec::new(), policy: RawPolicy::Add, signed_by: Vec::new() }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: "info".into(), format: RawFormat::Auto }
    }
}
