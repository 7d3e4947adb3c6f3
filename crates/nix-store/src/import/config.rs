//! How much is taken for the store, where it waits, and for how long it is kept.

use std::{path::PathBuf, time::Duration};

use rns_cache::{KeepFree, RootRule};

/// Uploads into the local store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportConfig {
    /// The largest NAR, decompressed, in bytes.
    pub max_nar_size: u64,
    /// Memory for the decoders of all NARs that are checked, in bytes. More wait for their turn.
    pub decoder_memory: u64,
    /// Where NARs wait for their narinfo.
    pub spool_directory: PathBuf,
    /// The most that waits there, in bytes.
    pub spool_size: u64,
    /// How long a NAR waits for its narinfo.
    pub spool_age: Duration,
    /// The folder of roots, below Nix's `gcroots`.
    pub roots_directory: PathBuf,
    /// How long a pushed path is kept from being collected.
    pub roots_lifetime: Duration,
    /// How much of the disk of the store is kept free, by letting go of pushed paths before their time.
    pub keep_free: Option<KeepFree>,
    /// How long a pushed path is kept even then.
    pub min_age: Duration,
    /// How long the roots that clients set are kept, by their names.
    pub root_rules: Vec<RootRule>,
}
