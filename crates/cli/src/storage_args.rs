//! The arguments of `storage`. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Take over a binary cache that is there: its paths are entered into the index, its objects stay as they are
    Adopt {
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Add signatures of keys to everything that is stored; those that are there stay
    Sign {
        /// A secret key file, instead of those of `signing.keys`; may be repeated
        #[arg(long, value_name = "FILE")]
        signing_key: Vec<PathBuf>,
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Compare storage and index, and find missing or truncated objects
    Verify {
        /// Read every NAR, and compare its contents with its hashes
        #[arg(long)]
        content: bool,
        /// Mend the index, and withdraw paths that cannot be had whole, so that they can be pushed again
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Bring the index up to date with the storage
    Index {
        /// Enter every stored path, and take out those that are gone; all but times of use can be made anew
        #[arg(long, required_unless_present = "same_storage")]
        rebuild: bool,
        /// Take an index of another URL for the index of this storage, which has moved or has several addresses
        #[arg(long)]
        same_storage: bool,
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Remove the paths that the policy of `[retention]` lets go, also while the storage is served
    Gc {
        /// Show the paths that would go, in which order and why, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Show why a path stays: a root, its age, its use, or a referrer
    Why {
        /// A store path, its base name or its hash part
        #[arg(value_name = "STOREPATH")]
        path: PathBuf,
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Delete a path; refused while others refer to it, which are named
    Delete {
        /// A store path, its base name or its hash part
        #[arg(value_name = "STOREPATH")]
        path: PathBuf,
        /// Delete everything that refers to it as well
        #[arg(long)]
        with_referrers: bool,
        #[command(flatten)]
        place: StoragePlace,
    },
    /// Say who pushed or deleted a path, from where and when
    Log {
        /// A store path, its base name or its hash part
        #[arg(value_name = "STOREPATH")]
        path: PathBuf,
        #[command(flatten)]
        place: StoragePlace,
    },
}

/// Which storage a command is about.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StoragePlace {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The storage, instead of `storage.url` of the configuration: file:///a/directory or s3://bucket
    #[arg(long, value_name = "URL")]
    pub(crate) storage: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
