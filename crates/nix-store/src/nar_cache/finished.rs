//! A compressed NAR of which everything is known.

use std::{borrow::Cow, ops::Range, os::fd::OwnedFd, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{Blob, BlobBody, CacheError, slice};

use super::{CompressedFile, NarCache, Recipe, disk::Found, memory::Small, steps::Stepping};
use crate::chunks::FileStream;

/// A compressed NAR: its length and hash are known, and every range of it can be had.
#[derive(Clone)]
pub struct Finished {
    tag: Arc<str>,
    file: CompressedFile,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Bytes),
    File {
        open: Arc<OwnedFd>,
        name: Option<Arc<str>>,
    },
    /// Nowhere: it is compressed anew for each reader.
    Uncached {
        cache: Arc<NarCache>,
        nar: Arc<dyn Blob>,
        recipe: Recipe,
    },
}

impl Finished {
    pub(super) fn in_memory(tag: Arc<str>, small: Small) -> Self {
        Self { tag, file: small.file, source: Source::Memory(small.bytes) }
    }

    pub(super) fn in_file(tag: Arc<str>, found: Found) -> Self {
        Self {
            tag,
            file: found.file,
            source: Source::File { open: found.open, name: Some(found.name) },
        }
    }

    pub(super) const fn in_nameless_file(
        tag: Arc<str>,
        file: CompressedFile,
        open: Arc<OwnedFd>,
    ) -> Self {
        Self { tag, file, source: Source::File { open, name: None } }
    }

    pub(super) fn uncached(
        tag: Arc<str>,
        file: CompressedFile,
        (cache, nar): (Arc<NarCache>, Arc<dyn Blob>),
        recipe: Recipe,
    ) -> Self {
        Self { tag, file, source: Source::Uncached { cache, nar, recipe } }
    }

    /// Length and hash.
    #[must_use]
    pub const fn file(&self) -> &CompressedFile {
        &self.file
    }

    /// The file, where there is one.
    pub(super) fn open_file(&self) -> Option<Arc<OwnedFd>> {
        match &self.source {
            Source::File { open, .. } => Some(Arc::clone(open)),
            _ => None,
        }
    }
}

#[async_trait]
impl Blob for Finished {
    fn len(&self) -> u64 {
        self.file.size
    }

    fn etag(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.tag)
    }

    fn file_name(&self) -> Option<&str> {
        match &self.source {
            Source::File { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        Ok(match &self.source {
            Source::Memory(bytes) => Some(BlobBody::Whole(slice(bytes, range))),
            Source::File { open, .. } => {
                let path = Path::new("a compressed NAR").into();
                let chunks = FileStream::start(Arc::clone(open), path, range);
                Some(BlobBody::Stream(Box::new(chunks)))
            }
            Source::Uncached { cache, nar, recipe } => {
                let encoder = cache.compress_uncached(&**nar, *recipe, range).await?;
                encoder.map(|encoder| BlobBody::Stream(Box::new(Stepping::start(encoder))))
            }
        })
    }
}
