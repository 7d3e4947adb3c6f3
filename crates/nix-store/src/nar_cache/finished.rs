//! A compressed NAR of which everything is known.

use std::{ops::Range, os::fd::OwnedFd, path::Path, sync::Arc};

use bytes::Bytes;

use super::{CompressedFile, Recipe, disk::Found, memory::Small};
use crate::{Chunks, FileStream, LocalStore, Nar, StoreError};

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
    Again {
        store: LocalStore,
        nar: Nar,
        recipe: Recipe,
    },
}

/// The bytes of a compressed NAR, or of a range of it.
pub enum CompressedBody {
    /// All of them.
    Whole(Bytes),
    /// Chunk by chunk.
    Stream(Box<dyn Chunks>),
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

    pub(super) const fn again(
        tag: Arc<str>,
        file: CompressedFile,
        store: LocalStore,
        nar: Nar,
        recipe: Recipe,
    ) -> Self {
        Self { tag, file, source: Source::Again { store, nar, recipe } }
    }

    /// The strong validator without quotes: letters, digits and dashes. The same bytes have the same one, always.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Length and hash.
    #[must_use]
    pub const fn file(&self) -> &CompressedFile {
        &self.file
    }

    /// Its name in the directory of the cache, where it is a file there.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        match &self.source {
            Source::File { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    /// The file, where there is one.
    pub(super) fn open_file(&self) -> Option<Arc<OwnedFd>> {
        match &self.source {
            Source::File { open, .. } => Some(Arc::clone(open)),
            _ => None,
        }
    }

    /// The bytes of `range`, which lies within the file. `None` when the path was collected meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read; errors while reading come with the chunks.
    pub async fn read(&self, range: Range<u64>) -> Result<Option<CompressedBody>, StoreError> {
        Ok(match &self.source {
            Source::Memory(bytes) => {
                let index = |at| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Some(CompressedBody::Whole(bytes.slice(index(range.start)..index(range.end))))
            }
            Source::File { open, .. } => {
                let chunks = FileStream::start(
                    Arc::clone(open),
                    Path::new("a compressed NAR").into(),
                    range,
                );
                Some(CompressedBody::Stream(Box::new(chunks)))
            }
            Source::Again { store, nar, recipe } => {
                let chunks = store.compress_alone(nar, *recipe, range).await?;
                chunks.map(|chunks| CompressedBody::Stream(Box::new(chunks)))
            }
        })
    }
}
