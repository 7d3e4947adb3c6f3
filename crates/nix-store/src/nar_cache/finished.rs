//! A compressed NAR of which everything is known.

use std::{borrow::Cow, ops::Range, os::fd::OwnedFd, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{Blob, BlobBody, CacheError, slice};

use super::{
    disk::CachedFile, encoder_limits::EncoderLimits, file_name::CompressedFile, memory::Small,
    recipe::Recipe, steps::Stepping, uncached_encoder::UncachedEncoder,
};
use crate::file_io::chunks::FileStream;

/// A compressed NAR: its length and hash are known, and every range of it can be had.
#[derive(Clone)]
pub struct Finished {
    tag: Arc<str>,
    file: CompressedFile,
    source: FinishedSource,
}

#[derive(Clone)]
enum FinishedSource {
    Memory(Bytes),
    File {
        open: Arc<OwnedFd>,
        name: Option<Arc<str>>,
    },
    /// It is compressed anew for each reader.
    Nowhere(Uncached),
}

/// The source of a compressed NAR that may be made again and again.
#[derive(Clone)]
pub(super) struct Uncached {
    pub(super) limits: Arc<EncoderLimits>,
    pub(super) nar: Arc<dyn Blob>,
    pub(super) recipe: Recipe,
}

impl Uncached {
    /// The bytes of `range` of the compressed NAR, which may end behind the end. `None` when the NAR is gone or damaged.
    pub(super) async fn encoder(
        &self,
        range: Range<u64>,
    ) -> Result<Option<UncachedEncoder>, CacheError> {
        UncachedEncoder::start(&*self.nar, self.recipe, range, &self.limits).await
    }
}

impl Finished {
    pub(super) fn in_memory(tag: Arc<str>, small: Small) -> Self {
        Self { tag, file: small.file, source: FinishedSource::Memory(small.bytes) }
    }

    pub(super) fn in_file(tag: Arc<str>, found: CachedFile) -> Self {
        Self {
            tag,
            file: found.file,
            source: FinishedSource::File { open: found.open, name: Some(found.name) },
        }
    }

    pub(super) const fn in_nameless_file(
        tag: Arc<str>,
        file: CompressedFile,
        open: Arc<OwnedFd>,
    ) -> Self {
        Self { tag, file, source: FinishedSource::File { open, name: None } }
    }

    /// One for which there is no room. `None` when the NAR is gone or damaged.
    pub(super) async fn uncached(
        tag: Arc<str>,
        source: Uncached,
    ) -> Result<Option<Self>, CacheError> {
        let Some(encoder) = source.encoder(0..u64::MAX).await? else { return Ok(None) };
        match encoder.measure().await {
            Ok(file) => Ok(Some(Self { tag, file, source: FinishedSource::Nowhere(source) })),
            Err(CacheError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Length and hash.
    #[must_use]
    pub const fn file(&self) -> &CompressedFile {
        &self.file
    }

    /// The file, where there is one.
    pub(super) fn open_file(&self) -> Option<Arc<OwnedFd>> {
        match &self.source {
            FinishedSource::File { open, .. } => Some(Arc::clone(open)),
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
            FinishedSource::File { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        Ok(match &self.source {
            FinishedSource::Memory(bytes) => Some(BlobBody::Whole(slice(bytes, range))),
            FinishedSource::File { open, .. } => {
                let path = Path::new("a compressed NAR").into();
                let chunks = FileStream::start(Arc::clone(open), path, range);
                Some(BlobBody::Stream(Box::new(chunks)))
            }
            FinishedSource::Nowhere(source) => {
                let encoder = source.encoder(range).await?;
                encoder.map(|encoder| BlobBody::Stream(Box::new(Stepping::start(encoder))))
            }
        })
    }
}
