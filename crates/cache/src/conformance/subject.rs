//! The cache under test, and the paths in it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_formats::{Compression, HashPart, PathInfo, StorePath};

use crate::BinaryCache;

/// A cache under test, with contents that are known.
#[async_trait]
pub trait BackendUnderTest: Send {
    /// The cache.
    fn cache(&self) -> Arc<dyn BinaryCache>;

    /// Its paths: at least three, one that refers to another, one with a NAR of more than 512 KiB.
    fn specimens(&self) -> Vec<Specimen>;

    /// Adds a path, in the way in which another program would, and says which.
    async fn add(&mut self) -> Specimen;

    /// Removes a path, in the way in which another program would.
    async fn remove(&mut self, path: &StorePath);

    /// Makes the cache unable to answer, or able again. Whether that could be done.
    async fn set_outage(&mut self, _is_out: bool) -> bool {
        false
    }

    /// The NAR in a file that is compressed in this way.
    fn unpack(&self, compression: Compression, file: Bytes) -> Bytes;
}

/// A path and its NAR.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// Its registered facts. A backend need not return registration time and `ultimate`.
    pub info: PathInfo,
    /// Its NAR.
    pub nar: Bytes,
    /// Whether it has a listing.
    pub has_listing: bool,
}

impl Specimen {
    pub(super) fn hash(&self) -> HashPart {
        self.info.path.hash_part()
    }
}

/// A hash part that no path has.
pub(super) fn nowhere() -> HashPart {
    HashPart::parse("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz").unwrap_or_else(|_| unreachable!())
}
