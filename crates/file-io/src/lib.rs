//! Files as bodies for the event loop, for every backend that keeps files.
//!
//! [`chunks`] reads them, with [`buffer`]s; [`nonblocking_io`] opens and reads files that the kernel has in memory, and
//! [`file_part`] hands that on unread. [`disk_space`] looks how much room there is for more.

pub mod buffer;
pub mod chunks;
pub mod disk_space;
pub mod file_part;
pub mod nonblocking_io;
mod page_cache;
