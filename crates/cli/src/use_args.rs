//! The command line of `use`. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rns_formats::PublicKey;

/// The flags of `use`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, or there is nothing to do; 1 nothing was changed, because a key is \
    another one or the change was not wanted; 2 it could not be tried; 3 the cache cannot be reached."
)]
pub(crate) struct UseArgs {
    /// Address of the cache, such as `https://cache.example.org`
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The key that the cache must sign with, from its owner; without one, the key that the cache names is shown. May be
    /// repeated
    #[arg(long, value_name = "NAME:KEY")]
    pub(crate) key: Vec<PublicKey>,
    /// Change the nix.conf of the system instead of the user's
    #[arg(long)]
    pub(crate) system: bool,
    /// A file with a token for the cache, which is written into the netrc file
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Make the change without a question
    #[arg(long)]
    pub(crate) yes: bool,
    /// Take out the lines that this command wrote for this cache
    #[arg(long, conflicts_with_all = ["print", "key", "token_file"])]
    pub(crate) undo: bool,
    /// Print the lines to write elsewhere, and change nothing
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["system", "yes"])]
    pub(crate) print: Option<Snippet>,
}

/// The place of a snippet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Snippet {
    /// The configuration of a NixOS machine
    Nixos,
    /// A workflow of GitHub Actions
    Github,
    /// A job of GitLab CI
    Gitlab,
}
