//! Looking up paths and reading NARs in a store on disk.

#![allow(clippy::unwrap_used, clippy::or_fun_call, reason = "tests fail loudly")]

mod damage;
mod lookups;
mod nars;
mod outages;
mod support;
