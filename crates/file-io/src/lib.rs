//! Files as bodies for the event loop, for every backend that keeps files.
//!
//! [`chunks`] reads them, with [`buffer`]s; [`nonblocking_io`] opens and reads files that the kernel has in memory, and
//! [`file_part`] hands that on unread.

pub mod buffer;
pub mod chunks;
pub mod file_part;
pub mod nonblocking_io;
mod page_cache;
