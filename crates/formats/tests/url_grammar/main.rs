//! Every name a cache answers to, and many that it must not.

#![expect(
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a helper of a test may fail loudly too"
)]

mod documents;
mod files;
mod fixed;
mod narinfos;
mod nars;
mod support;
