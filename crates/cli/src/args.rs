//! The command line. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::client_args::{PinCommand, PushArgs, QueueCommand, WatchArgs};
use crate::doctor_args::DoctorArgs;
pub(crate) use crate::serve_args::ServeArgs;
pub(crate) use crate::storage_args::{StorageCommand, StoragePlace};
pub(crate) use crate::store_args::StoreArgs;
use crate::use_args::UseArgs;

/// Turns a Nix store into a signed, fast binary cache.
///
/// Without a subcommand it serves: with no configuration at all the machine's own store, on port 5000 of both
/// loopback addresses.
#[derive(Clone, Debug, Parser)]
#[command(name = "rust-nix-serve", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "The configuration file is --config, else $RUST_NIX_SERVE_CONFIG, else \
    /etc/rust-nix-serve/config.toml. The environment goes over it, flags over that; \
    `rust-nix-serve config show` prints every value and its source.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the store; the default without a subcommand
    Serve(Box<ServeArgs>),
    /// Make and convert signing keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make, list, revoke and check the tokens of a private cache
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look after a binary cache in a directory or bucket
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Push store paths, with all that they refer to, to a binary cache
    Push(Box<PushArgs>),
    /// Push the paths that builds have put into a queue on disk
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Set, list and delete roots, which keep paths: on a server, or in the storage of its configuration
    #[command(subcommand)]
    Pin(PinCommand),
    /// Push every path that becomes valid in the local store, through the queue
    WatchStore(Box<WatchArgs>),
    /// Find faults of a cache, of this machine as its client, or of the server here
    Doctor(Box<DoctorArgs>),
    /// Set up this machine as a client of a cache
    Use(Box<UseArgs>),
    /// Check the configuration and the files it names, and report every problem
    CheckConfig(CheckArgs),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List the files inside a store path, as a client of this server would see them
    Ls(ListArgs),
    /// Print a file inside a store path
    Cat(InspectArgs),
    /// Print the NAR of a store path
    Dump(DumpArgs),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each subcommand
    Man {
        /// The directory to write the pages to
        directory: Option<PathBuf>,
    },
    /// Print a page of the documentation that is generated from the code
    #[command(hide = true)]
    Docs {
        /// Which page
        page: DocsPage,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new secret key and print its public key
    Generate {
        /// Name of the key, usually the host name and a number: cache.example.org-1
        name: String,
        /// Write the secret key to a new file that only its owner can read, instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the public keys of secret keys
    Public {
        /// Secret key files; without one, or for `-`, standard input
        files: Vec<PathBuf>,
    },
    /// Print the names and fingerprints of keys, as `use` shows them to clients
    Fingerprint {
        /// Files with secret or public keys; without one, or for `-`, standard input
        files: Vec<PathBuf>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it: it is kept nowhere, the file of tokens gets only its hash
    Create {
        /// Who gets it, for lists and for the log
        name: String,
        /// Its permissions: read, metrics, push, pin, delete, with commas between them
        #[arg(long, value_name = "PERMISSIONS", default_value = "read")]
        allow: String,
        /// Until when: 90d (h, d, w, y), a date, a time such as 2027-02-19T10:00:00Z, or never
        #[arg(long, value_name = "WHEN", default_value = "90d")]
        expires: String,
        /// Show only paths with such names and their references: hello-*, with commas between several
        #[arg(long, value_name = "PATTERNS")]
        paths: Option<String>,
        #[command(flatten)]
        place: TokenPlace,
    },
    /// List the tokens
    List {
        #[command(flatten)]
        place: TokenPlace,
    },
    /// Take a token out of the file; a running server refuses it within two seconds
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        place: TokenPlace,
    },
    /// Read a token from standard input; print its name and permissions, and whether it is valid
    Check {
        #[command(flatten)]
        place: TokenPlace,
    },
}

/// Where tokens are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TokenPlace {
    /// The file of tokens, instead of `access.tokens` of the configuration; `-` prints the line that would be written
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The cache of that name in the configuration
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) cache: Option<String>,
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key, its value and where the value came from
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        serve: ServeArgs,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// The configuration file; without one, the file that `serve` would read
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub(crate) file: Option<PathBuf>,
    /// Do not look at the keys, certificates and stores that the configuration names: they need not be there yet
    #[arg(long)]
    pub(crate) skip_files: bool,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// A store path, its base name or its hash part, and a path inside it: /nix/store/HASH-hello/bin
    #[arg(value_name = "STOREPATH")]
    pub(crate) path: PathBuf,
    /// Show kind, size and where symbolic links point
    #[arg(long, short)]
    pub(crate) long: bool,
    /// List directories recursively
    #[arg(long, short = 'R')]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InspectArgs {
    /// A store path, its base name or its hash part, and a path inside it: /nix/store/HASH-hello/bin/hello
    #[arg(value_name = "STOREPATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DumpArgs {
    /// A store path, its base name or its hash part
    #[arg(value_name = "STOREPATH")]
    pub(crate) path: PathBuf,
    /// Compress the output
    #[arg(long, value_name = "METHOD", default_value = "none")]
    pub(crate) compression: DumpCompression,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DumpCompression {
    None,
    Zstd,
    Xz,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocsPage {
    /// docs/configuration.md
    Configuration,
}
