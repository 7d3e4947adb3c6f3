//! The command line of `doctor`. The doc comments are the help texts.

use std::path::PathBuf;

use clap::Args;
use rns_formats::PublicKey;

use crate::{client_args::CredentialArgs, store_args::StoreArgs};

/// The flags of `doctor`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, 1 something is, 2 nothing could be tried, \
    3 the cache cannot be reached, 4 nothing wrong was found and not everything could be looked at."
)]
pub(crate) struct DoctorArgs {
    /// The cache to look at; without one, this machine as a server and as a client
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A public key that the cache should sign with, instead of those that nix.conf trusts; may be repeated
    #[arg(long, value_name = "NAME:KEY")]
    pub(crate) key: Vec<PublicKey>,
    /// A path that the cache has, to be downloaded and checked; may be repeated. Else paths of the local store are tried
    #[arg(long, value_name = "STOREPATH")]
    pub(crate) path: Vec<PathBuf>,
    /// Check also that the credential allows to push, and that a proxy lets uploads through
    #[arg(long, requires = "url")]
    pub(crate) push: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}
