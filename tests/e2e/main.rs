//! The real program against HTTP requests of every kind, and against real Nix.
//!
//! The modules of `conformance` hold the numbered checks of `docs/protocol.md`, each in a test that
//! begins with its number.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a surprise must fail the test; what is skipped is said"
)]

mod clients;
mod compressed;
mod conformance;
mod connections;
mod damaged;
mod doctor;
mod nginx;
mod private;
mod push;
mod repository;
mod routes;
mod scale;
mod service;
mod storage;
mod store_uploads;
mod support;
mod uploads;
mod use_cache;
