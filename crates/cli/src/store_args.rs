//! The flags by which commands name the local store.

use std::path::PathBuf;

use clap::Args;

/// The local store of a command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StoreArgs {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The store: a directory below which it lives, or `local?root=…`
    #[arg(long, value_name = "ROOT")]
    pub(crate) store: Option<String>,
}
