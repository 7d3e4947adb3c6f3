//! The Nix daemon: keeping store paths alive while they are served.
//!
//! A garbage collection may begin at any moment and takes every path that no root leads to. The
//! daemon keeps a path and all it refers to for as long as the connection lives over which it was
//! asked to (operation `AddTempRoot`). [`TempRoots`] does this for many downloads at once: one
//! thread with a few connections, on which a path is held once however many read it.
//!
//! The daemon answers strictly one question after the other, and the answer about a path that is just being
//! deleted comes when it is gone. No download waits for it longer than a configured time; without
//! a daemon, serving goes on, and a collection may break a download.
//!
//! Below it is a small client for the daemon's worker protocol, [`Connection`], for the versions
//! 1.21 to 1.38 that Nix 2.0 and everything after it, and Lix, speak.

mod config;
mod pool;
mod protocol;
mod report;
mod roots;
mod unrooted;
mod worker;

#[cfg(test)]
mod tests;

pub use config::DaemonConfig;
pub use protocol::{
    BuiltOutput, Connection, ContentSource, DaemonError, PathToAdd, Peer, ProtocolVersion,
    WireError,
};
pub use roots::{HeldRoot, TempRoots};
pub use unrooted::Unrooted;
