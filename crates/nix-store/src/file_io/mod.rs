//! Reading files: below a directory without leaving it, without waiting, and as bodies in chunks.

pub(crate) mod chunks;
pub(crate) mod file_part;
pub(crate) mod file_time;
pub(crate) mod nonblocking_io;
mod page_cache;
pub(crate) mod regular_file;
pub(crate) mod resolve_beneath;
