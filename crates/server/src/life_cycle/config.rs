//! The configuration of the server: every value parsed and checked before it arrives here.

use std::{error::Error, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    auth::config::FailurePolicyConfig, caches::config::CachesConfig,
    connection::limits::config::Limits,
};

/// Everything `run` needs to know. Built by the command line program from file, environment and flags.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen. Sockets passed by systemd replace this list (see `Listener::Inherited`).
    pub listeners: Vec<Listener>,
    /// Certificate and key of the listeners that speak TLS.
    pub tls: Option<TlsFiles>,
    /// Threads that answer requests; 0 means one for each processor.
    pub workers: usize,
    /// The address clients use, when it is not the one they connect to (a proxy in front, for instance).
    pub public_url: Option<String>,
    /// How long running downloads may go on after a request to stop.
    pub shutdown_grace: Duration,
    /// The named caches: keys, tokens, policies.
    pub caches: CachesConfig,
    /// Trusted proxies, and answers to wrong credentials.
    pub failure_policy: FailurePolicyConfig,
    /// Listeners that answer nothing but `/metrics` and the health checks, to every client that can connect.
    pub metrics_listeners: Vec<Listener>,
    /// Limits of one client, and of all together.
    pub limits: Limits,
    /// The nginx in front, if there is one that is to be believed or to send files of the NAR cache itself.
    pub nginx: Option<Nginx>,
    /// Whether requests that need no waiting are answered before the HTTP framework sees them.
    pub fast_path: bool,
}

/// An nginx in front, which is believed when it says who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nginx {
    /// Those of `ServerConfig::listeners` that only nginx connects to; among sockets that systemd passed it is
    /// the one named `nginx`.
    pub listeners: Vec<Listener>,
    /// The `internal` location of nginx with the directory of the NAR cache, `/…/`, if nginx can read that.
    pub prefix: Option<String>,
}

/// One place to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// A TCP address, with or without TLS.
    Tcp {
        /// Address and port; port 0 takes a free one.
        addr: SocketAddr,
        /// Whether clients speak TLS here.
        tls: bool,
        /// A listener that may be missing without harm, such as `[::1]` on a machine without IPv6.
        optional: bool,
    },
    /// A unix socket.
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// Permission bits of the socket.
        mode: u32,
    },
    /// The sockets that systemd (or another supervisor) passed in `LISTEN_FDS`.
    Inherited,
}

/// Certificate chain and private key in PEM files, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
    /// Certificates that vouch for those of clients. None: clients are not asked for one.
    pub client_ca: Option<PathBuf>,
}

/// Opens the backends, once, when the server starts. It may start threads.
pub type OpenBackends = Box<dyn FnOnce() -> Arc<dyn rns_cache::CacheFactory>>;

/// Functions of the program around the server.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Reads the configuration again; called on SIGHUP. An error leaves everything as it was.
    pub reload: Option<Arc<ReloadHook>>,
    /// Called once with the addresses that are listened on, when the server answers.
    pub started: Option<Arc<StartedHook>>,
}

/// See [`Hooks::reload`].
pub type ReloadHook = dyn Fn() -> Result<Reloadable, ReloadError> + Send + Sync;

/// Why there is no new configuration.
#[derive(Debug)]
pub enum ReloadError {
    /// Its file changes at the moment: another try in a moment may find it whole.
    StillWritten,
    /// It is refused; the error is for the operator.
    Refused(Box<dyn Error>),
}

/// See [`Hooks::started`]: one URL (or `unix:` path) for each listener, and the public keys that sign.
pub type StartedHook = dyn Fn(&[String], &[rns_formats::PublicKey]) + Send + Sync;

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("reload", &self.reload.is_some())
            .field("started", &self.started.is_some())
            .finish()
    }
}

/// The part of the configuration that takes effect without a restart.
#[derive(Clone, Debug)]
pub struct Reloadable {
    /// The caches: keys, tokens, policies.
    pub caches: CachesConfig,
    /// Certificate and key files.
    pub tls: Option<TlsFiles>,
    /// Builds the caches out of backends that are open, under the new configuration.
    pub factory: Arc<dyn rns_cache::CacheFactory>,
}
