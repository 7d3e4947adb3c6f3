//! Work beside requests.

pub(crate) mod file_watch;
pub(crate) mod idle_work;
pub(crate) mod memory_trim;
