//! The flags of `serve`, those of other servers among them.

use std::path::PathBuf;

use clap::Args;

/// The flags of `serve`. Each sets a configuration key.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen: ADDRESS:PORT, tls://ADDRESS:PORT or unix:/path; may be repeated
    #[arg(long, short, value_name = "ADDRESS")]
    pub(crate) listen: Vec<String>,
    /// The address to listen on, with the port of --port
    #[arg(long, short = 'o', value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// The port to listen on
    #[arg(long, short)]
    pub(crate) port: Option<u16>,
    /// The unix socket to listen on
    #[arg(long, short = 'S', value_name = "PATH", conflicts_with_all = ["host", "port"])]
    pub(crate) socket: Option<PathBuf>,
    /// The store: a directory below which it lives, or `local?root=…`
    #[arg(long, value_name = "ROOT")]
    pub(crate) store: Option<String>,
    /// A binary cache to serve beside the store: file:///a/directory or s3://bucket
    #[arg(long, value_name = "URL")]
    pub(crate) storage: Option<String>,
    /// Priority among the caches of a client: lower is asked first, cache.nixos.org says 40
    #[arg(long, allow_negative_numbers = true, value_name = "NUMBER")]
    pub(crate) priority: Option<i64>,
    /// A secret key file to sign with; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Vec<String>,
    /// The signing policy: add, replace, keep, ultimate or signed-by
    #[arg(long, value_name = "POLICY")]
    pub(crate) signing_policy: Option<String>,
    /// The address clients use, when it is another
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Threads that answer requests; 0 is one for each processor
    #[arg(long, value_name = "NUMBER")]
    pub(crate) workers: Option<u32>,
    /// Certificate chain (PEM); the addresses of --host, --port or the default then speak TLS
    #[arg(long, alias = "tls-certificate", value_name = "FILE")]
    pub(crate) ssl_cert: Option<String>,
    /// Private key of the certificate (PEM)
    #[arg(long, alias = "tls-key", value_name = "FILE")]
    pub(crate) ssl_key: Option<String>,
    /// Seconds after which a client that reads nothing is disconnected
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Seconds an idle connection stays open
    #[arg(long, value_name = "SECONDS")]
    pub(crate) keepalive_timeout: Option<u64>,
    /// Seconds for a request to arrive
    #[arg(long, value_name = "SECONDS")]
    pub(crate) read_timeout: Option<u64>,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", conflicts_with_all = ["quiet", "verbose"])]
    pub(crate) log_level: Option<String>,
    /// auto, text or json
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Log warnings and errors only
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log more
    #[arg(long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) ignored: IgnoredArgs,
}

/// Flags of nix-serve's web server and of nix-serve-ng that mean nothing here.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct IgnoredArgs {
    #[arg(long, short = 'E', value_name = "NAME", hide = true)]
    env: Option<String>,
    #[arg(long, short = 'D', hide = true)]
    daemonize: bool,
    #[arg(long, value_name = "NUMBER", hide = true)]
    backlog: Option<String>,
    #[arg(long, value_name = "NUMBER", hide = true)]
    max_requests: Option<String>,
    #[arg(long, value_name = "NAME", hide = true)]
    user: Option<String>,
    #[arg(long, value_name = "NAME", hide = true)]
    group: Option<String>,
    #[arg(long, value_name = "FILE", hide = true)]
    pid: Option<String>,
    #[arg(long, value_name = "FILE", hide = true)]
    access_log: Option<String>,
    #[arg(long, value_name = "FILE", hide = true)]
    error_log: Option<String>,
    #[arg(long, hide = true)]
    preload_app: bool,
    #[arg(long, hide = true)]
    disable_keepalive: bool,
    #[arg(long, hide = true)]
    disable_proctitle: bool,
    #[arg(long, hide = true)]
    enable_ssl: bool,
}

impl IgnoredArgs {
    /// Those that were given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        [
            ("--env", self.env.is_some()),
            ("--daemonize", self.daemonize),
            ("--backlog", self.backlog.is_some()),
            ("--max-requests", self.max_requests.is_some()),
            ("--user", self.user.is_some()),
            ("--group", self.group.is_some()),
            ("--pid", self.pid.is_some()),
            ("--access-log", self.access_log.is_some()),
            ("--error-log", self.error_log.is_some()),
            ("--preload-app", self.preload_app),
            ("--disable-keepalive", self.disable_keepalive),
            ("--disable-proctitle", self.disable_proctitle),
            ("--enable-ssl", self.enable_ssl),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}
