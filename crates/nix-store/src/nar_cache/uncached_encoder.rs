//! From the bytes of a NAR to those of its compressed form, portion by portion. Blocks.

use std::ops::Range;

use rns_formats::Sha256Digest;
use tokio::sync::OwnedSemaphorePermit;

use super::{Recipe, encoder::Encoder, hashing::Hashing};
use crate::{
    StoreError,
    chunks::Fill,
    daemon::HeldRoot,
    nar::{Buffer, RangeReader},
};

/// A NAR that is being compressed.
pub(super) struct Work {
    reader: RangeReader,
    encoder: Encoder,
    /// The check of the NAR's hash, where another thread does it.
    beside: Option<(Hashing, Sha256Digest)>,
    ended: bool,
}

impl Work {
    /// `reader` reads a whole NAR of `size` bytes.
    ///
    /// # Errors
    /// When the encoder cannot be set up, for want of memory.
    pub(super) fn new(reader: RangeReader, size: u64, recipe: Recipe) -> Result<Self, StoreError> {
        let encoder = Encoder::new(recipe.codec, recipe.level, size)?;
        Ok(Self { reader, encoder, beside: None, ended: false })
    }

    /// Lets another thread compute the hash of the NAR, if that is to be checked; to be called before the first step.
    pub(super) fn hash_beside(&mut self) {
        // Without another thread, the reader does it.
        let Ok(hashing) = Hashing::start() else { return };
        self.beside = self.reader.take_check().map(|expected| (hashing, expected));
    }

    /// Compresses the next portion and appends what comes out. The end comes out only when the NAR was what it
    /// should be.
    ///
    /// # Errors
    /// Those of reading the NAR.
    pub(super) fn step(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        // Always filled before the encoder sees it, so that every run hands it the same portions.
        let mut buffer = Buffer::take();
        buffer.fill_with(|room| self.reader.fill(room))?;
        let portion = buffer.into_bytes();
        if let Some((hashing, _)) = &self.beside {
            hashing.push(portion.clone());
        }
        self.encoder.push(&portion, out)?;
        if self.reader.is_at_end() {
            if let Some((hashing, expected)) = self.beside.take() {
                self.reader.judge(hashing.finish().ok_or(StoreError::Stopping)?, expected)?;
            }
            self.encoder.finish(out)?;
            self.ended = true;
        }
        Ok(())
    }

    /// Whether everything has come out.
    pub(super) const fn is_at_end(&self) -> bool {
        self.ended
    }
}

/// A range of a compressed NAR, compressed for one reader alone: when there is no room for a file, or its
/// file has been lost under a reader.
pub(super) struct UncachedEncoder {
    work: Work,
    made: Vec<u8>,
    taken: usize,
    /// Where the next byte of `made` is in the compressed NAR.
    offset: u64,
    range: Range<u64>,
    /// Keeps the path from being collected while it is read.
    _root: HeldRoot,
    /// The memory of the encoder.
    _permit: OwnedSemaphorePermit,
}

impl UncachedEncoder {
    /// A range that may end behind the end, which is not known in advance.
    pub(super) const fn new(
        work: Work,
        range: Range<u64>,
        root: HeldRoot,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { work, made: Vec::new(), taken: 0, offset: 0, range, _root: root, _permit: permit }
    }
}

impl Fill for UncachedEncoder {
    fn fill(&mut self, room: &mut [u8]) -> Result<usize, StoreError> {
        let mut filled = 0;
        while !self.is_at_end() {
            let ready = self.made.get(self.taken..).unwrap_or_default();
            if ready.is_empty() {
                self.made.clear();
                self.taken = 0;
                self.work.step(&mut self.made)?;
                continue;
            }
            let wanted = if self.offset < self.range.start {
                // Made before, and sent then.
                clamp(self.range.start - self.offset, ready.len())
            } else {
                let len = clamp(self.range.end - self.offset, ready.len()).min(room.len() - filled);
                let Some((target, source)) =
                    room.get_mut(filled..filled + len).zip(ready.get(..len))
                else {
                    break;
                };
                if len == 0 {
                    break;
                }
                target.copy_from_slice(source);
                filled += len;
                len
            };
            self.taken += wanted;
            self.offset += wanted as u64;
        }
        Ok(filled)
    }

    fn is_at_end(&self) -> bool {
        self.offset >= self.range.end || self.work.is_at_end() && self.taken == self.made.len()
    }
}

fn clamp(len: u64, most: usize) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(most)
}
