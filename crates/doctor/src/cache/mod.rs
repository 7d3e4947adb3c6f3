//! A binary cache, as a client of it sees it.

mod addresses;
mod cache_info;
mod clock;
mod credential;
mod discovery;
mod head;
mod http;
mod http2;
mod keep_alive;
mod nar;
mod path;
mod proxy;
mod query;
mod ranges;
mod redirect;
mod signature;
mod subject;
mod tls;
mod tls_probe;
mod uploads;

use std::time::Duration;

use crate::Check;

pub use self::{
    http::ClientError,
    subject::{CacheSubject, CacheSubjectError, CacheView},
};

/// The longest time of a check that asks for small things.
const SMALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time of a check that downloads a NAR.
const NAR_TIMEOUT: Duration = Duration::from_secs(300);

/// All checks of a cache.
pub const CACHE_CHECKS: &[Check<CacheSubject>] = &[
    Check {
        name: "addresses",
        timeout: SMALL_TIMEOUT,
        run: |cache| Box::pin(addresses::check(cache)),
    },
    Check { name: "tls", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(tls::check(cache)) },
    Check { name: "http2", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(http2::check(cache)) },
    Check {
        name: "nix-cache-info",
        timeout: SMALL_TIMEOUT,
        run: |cache| Box::pin(cache_info::check(cache)),
    },
    Check {
        name: "credential",
        timeout: SMALL_TIMEOUT,
        run: |cache| Box::pin(credential::check(cache)),
    },
    Check {
        name: "redirect",
        timeout: SMALL_TIMEOUT,
        run: |cache| Box::pin(redirect::check(cache)),
    },
    Check { name: "clock", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(clock::check(cache)) },
    Check {
        name: "keep-alive",
        timeout: SMALL_TIMEOUT,
        run: |cache| Box::pin(keep_alive::check(cache)),
    },
    Check { name: "path", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(path::check(cache)) },
    Check {
        name: "signature",
        timeout: SMALL_TIMEOUT,
        run: |cache| Box::pin(signature::check(cache)),
    },
    Check { name: "head", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(head::check(cache)) },
    Check { name: "query", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(query::check(cache)) },
    Check { name: "nar", timeout: NAR_TIMEOUT, run: |cache| Box::pin(nar::check(cache)) },
    Check { name: "ranges", timeout: NAR_TIMEOUT, run: |cache| Box::pin(ranges::check(cache)) },
    Check { name: "uploads", timeout: SMALL_TIMEOUT, run: |cache| Box::pin(uploads::check(cache)) },
];
