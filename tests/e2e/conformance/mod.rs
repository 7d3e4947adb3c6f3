//! The numbered checks of `docs/protocol.md`: each test begins with the number of its check.

mod cache_info;
mod database;
mod misc;
mod misses;
mod nar;
mod narinfo;
mod ranges;
mod signatures;
mod streaming;
