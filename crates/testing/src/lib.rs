//! Helpers that the project's tests share: stores made without Nix, the real server as a process, an HTTP
//! client that sends the given bytes exactly, and real Nix as a client.
//!
//! Nothing here returns an error: a fixture that cannot be made fails the test that wanted it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "test support: a surprise must fail the test at the line where it happens"
)]

pub mod http;
mod issuer;
pub mod nix;
mod orphans;
mod port;
mod postgres;
mod process;
mod proxy;
mod s3;
mod scratch;
mod server;
mod store;
mod swift;
mod tree;

pub use issuer::{Issuer, SigningKey, claims};
pub use nix::{Client, Nix};
pub use port::lasting_port;
pub use postgres::PostgresServer;
pub use process::{Finished, Process, run};
pub use proxy::{Proxy, Recorded};
pub use s3::S3Server;
pub use scratch::Scratch;
pub use server::{Server, ServerBuilder};
pub use store::{Entry, FixtureStore, LogFile, Standard, open_sqlite};
pub use swift::SwiftServer;
pub use tree::{Contents, Tree};
