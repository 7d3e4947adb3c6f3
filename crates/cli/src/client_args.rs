//! The command line of clients of a cache. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{
    config::{ByteSize, Span},
    store_args::StoreArgs,
};

/// The flags of `push`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The credential is that of --token-file, else $RUST_NIX_SERVE_TOKEN, else login and \
    password in the URL, else the entry of the netrc file.\n\n\
    Exit codes: 0 everything is there, 1 something did not get through, 2 it could not be tried, \
    3 the cache cannot be reached."
)]
pub(crate) struct PushArgs {
    /// Store paths, or links to them such as ./result
    #[arg(value_name = "PATH", required_unless_present = "stdin")]
    pub(crate) paths: Vec<PathBuf>,
    /// Read paths from standard input, one a line
    #[arg(long)]
    pub(crate) stdin: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) packing: PackingArgs,
    /// Then set the root of this name on the server, which keeps the named paths with all that they refer to
    #[arg(long, value_name = "NAME")]
    pub(crate) pin: Option<String>,
    #[command(flatten)]
    pub(crate) revision: RevisionArgs,
    /// Push only the named paths: their references must be in the cache
    #[arg(long)]
    pub(crate) no_closure: bool,
    /// Print a JSON object for each path, as soon as its outcome is known
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing on success
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The target of a push, and the credential for it.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetArgs {
    /// The cache: https://…, file:///a/directory or s3://bucket?region=…
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Send a request so many times at most, if it is cut off or the cache fails for the moment
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) attempts: u32,
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
}

/// The credential for a cache.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CredentialArgs {
    /// A file with a token for the cache
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The netrc file, instead of the one that nix.conf names
    #[arg(long, value_name = "FILE")]
    pub(crate) netrc_file: Option<PathBuf>,
}

/// Flags for packing, signing and sending.
#[derive(Clone, Debug, Args)]
pub(crate) struct PackingArgs {
    /// Skip paths that this cache has; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Vec<String>,
    /// Sign with the secret key in this file; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Also send the listing of each path's files, like the write-nar-listing of Nix
    #[arg(long)]
    pub(crate) listing: bool,
    /// Also send the build logs of the paths, where this store has them; those of paths that are there too
    #[arg(long)]
    pub(crate) logs: bool,
    /// The level of zstd
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(crate) level: i32,
    /// Paths on their way at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
}

/// The commands of the queue.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Add paths, and those of $OUT_PATHS: as the post-build-hook of Nix. Always ends well, so that no build fails
    Add {
        /// Store paths
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        place: QueuePlace,
    },
    /// List the paths that wait, and those that failed
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: QueuePlace,
    },
    /// Push everything that waits, and end: with 0 if nothing is left
    Drain(Box<DrainArgs>),
    /// Have all paths tried soon, also those that failed before
    Retry {
        #[command(flatten)]
        place: QueuePlace,
    },
    /// Take paths out of the queue
    Drop {
        /// Store paths
        #[arg(value_name = "PATH", required_unless_present_any = ["all", "failing"])]
        paths: Vec<PathBuf>,
        /// Those that have failed
        #[arg(long, conflicts_with = "paths")]
        failing: bool,
        /// All
        #[arg(long, conflicts_with_all = ["paths", "failing"])]
        all: bool,
        #[command(flatten)]
        place: QueuePlace,
    },
    /// Push waiting and new paths until it is stopped
    Run(Box<DrainArgs>),
}

/// The file of a queue.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct QueuePlace {
    /// The file of the queue, instead of $RUST_NIX_SERVE_QUEUE; else one in /var/lib for root and below the home directory for others
    #[arg(long, value_name = "FILE")]
    pub(crate) queue: Option<PathBuf>,
}

/// The flags of commands that push the queue.
#[derive(Clone, Debug, Args)]
pub(crate) struct DrainArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) packing: PackingArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) place: QueuePlace,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The paths of the queue that are pushed. Their references are pushed with them.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FilterArgs {
    /// Push only such names: hello-*; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Vec<String>,
    /// Push no such names; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(crate) skip: Vec<String>,
    /// Push no paths whose NAR is larger: 2G
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<ByteSize>,
    /// Push no paths that have been in the store for longer: 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) max_age: Option<Span>,
    /// Push only paths that were built in this store
    #[arg(long)]
    pub(crate) built_here: bool,
}

/// The flags of `watch-store`.
#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    /// Add the paths that are in the store already as well, once in the life of the queue
    #[arg(long)]
    pub(crate) existing: bool,
}

/// The commands for roots.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PinCommand {
    /// Set a root: these paths are kept with all that they refer to
    Add {
        /// Its name, such as project/main
        name: String,
        /// Store paths that are in the cache, or links to them such as ./result
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        revision: RevisionArgs,
        #[command(flatten)]
        style: StyleArgs,
        #[command(flatten)]
        place: RootPlace,
        /// The store: a directory below which it lives, or `local?root=…`
        #[arg(long, value_name = "ROOT")]
        store: Option<String>,
    },
    /// List the roots
    List {
        /// Print the JSON of the server
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RootPlace,
    },
    /// Delete roots with all their revisions
    Remove {
        /// Their names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        style: StyleArgs,
        #[command(flatten)]
        place: RootPlace,
    },
}

impl PinCommand {
    /// Where the roots are.
    pub(crate) const fn place(&self) -> &RootPlace {
        let (Self::Add { place, .. } | Self::List { place, .. } | Self::Remove { place, .. }) =
            self;
        place
    }
}

/// The place of roots: a server, or the storage of a configuration on this machine.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RootPlace {
    /// The server: https://…; without it, the storage of the configuration
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
}

/// The form of messages about success.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct StyleArgs {
    /// Print the server's answer, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing on success
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// The life of a revision of a root.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RevisionArgs {
    /// This revision of the root goes after so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: Option<u32>,
    /// So many revisions of the root stay, the newest ones
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) revisions: Option<u32>,
    /// A few words about this revision, such as a commit
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
}

impl RevisionArgs {
    /// Returns true if one of them is given.
    pub(crate) const fn is_any(&self) -> bool {
        self.days.is_some() || self.revisions.is_some() || self.label.is_some()
    }
}
