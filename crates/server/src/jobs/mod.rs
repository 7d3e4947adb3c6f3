//! Work beside requests.

pub(crate) mod file_watch;
pub(crate) mod prewarm;
