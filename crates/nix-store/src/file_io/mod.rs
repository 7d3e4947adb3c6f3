//! Reading files: below a directory without leaving it, without waiting, and as bodies in chunks.

pub(crate) mod file_time;
pub(crate) mod regular_file;
pub(crate) mod resolve_beneath;

pub(crate) use rns_file_io::{chunks, file_part, nonblocking_io};
