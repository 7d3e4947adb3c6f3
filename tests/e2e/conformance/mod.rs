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
mod uploaded_nars;
mod uploads;

use rns_testing::{
    Server,
    http::{Request, Response},
};

/// The answer to `GET` with this `Range`.
fn ranged(server: &Server, target: &str, range: &str) -> Response {
    server.connect().send(&Request::get(target).header("Range", range))
}
