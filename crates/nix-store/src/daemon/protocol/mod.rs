//! A client for the daemon's worker protocol, in the versions 1.21 to 1.38 that Nix 2.0 and everything
//! after it, and Lix, speak.
//!
//! It works over any stream of bytes, and needs nothing else of this crate, so that the fuzzer can
//! take it alone.

mod collection;
mod connection;
mod error;
mod handshake;
mod stderr;
mod text;
mod upload;
mod version;
mod wire;

pub use connection::{BuiltOutput, Connection};
pub use error::DaemonError;
pub use handshake::Peer;
pub use upload::{ContentSource, PathToAdd};
pub use version::ProtocolVersion;
pub use wire::WireError;
