//! The small documents of a cache, and build logs.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Blob, Chunks};

/// The listing of a path's NAR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The contents of the `.ls` file: JSON.
    pub json: Bytes,
    /// The strong validator without quotes.
    pub etag: String,
}

/// Where the debug information of a program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugInfo {
    /// The URL of a NAR, relative to `debuginfo/`, as Nix's `index-debug-info` writes it: `../nar/….nar.xz`.
    pub archive: String,
    /// Where in that NAR it is: `lib/debug/.build-id/ab/cdef….debug`.
    pub member: String,
}

/// A build log, as text.
pub struct BuildLog {
    /// The strong validator without quotes. It changes when the log does.
    pub etag: String,
    /// The text.
    pub contents: LogContents,
}

/// The text of a build log.
pub enum LogContents {
    /// Its length is known.
    Sized(Arc<dyn Blob>),
    /// It is unpacked while it is read.
    Stream(Box<dyn Chunks>),
}
