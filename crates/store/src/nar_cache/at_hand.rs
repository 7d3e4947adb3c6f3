//! Compressed NARs that can be sent at once.

use std::{any::Any, sync::atomic::Ordering};

use bytes::Bytes;

use super::{NarCache, Small, disk::Found, memory};
use crate::{FilePart, Piece};

/// From this length on, somebody who sends files himself is better off with the name of one.
const NAMED: u64 = 16 << 10;

/// A compressed NAR in memory, or in a file that the kernel has in memory.
pub struct AtHand {
    tag: String,
    source: Source,
}

enum Source {
    Memory(Small),
    File(Found),
}

impl AtHand {
    /// As `Finished::tag`.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match &self.source {
            Source::Memory(small) => small.bytes.len() as u64,
            Source::File(found) => found.file.size,
        }
    }

    /// Its name in the directory of the cache, where it is a file there.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        match &self.source {
            Source::Memory(_) => None,
            Source::File(found) => Some(&found.name),
        }
    }

    /// All of it. `None` when it is not to be had in one piece.
    #[must_use]
    pub fn piece(&self) -> Option<Piece> {
        match &self.source {
            Source::Memory(small) => Some(Piece::Bytes(Bytes::clone(&small.bytes))),
            Source::File(found) => {
                let part = FilePart::resident(&found.open, &(0..found.file.size))?;
                part.is_last().then_some(Piece::File(part))
            }
        }
    }

    /// What was once made of tag and length of a NAR in memory, kept as long as it is there. It is always asked for with
    /// the same `make`.
    pub fn made<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        match &self.source {
            Source::Memory(small) => {
                small.shared.made.get_or_init(|| Box::new(make())).downcast_ref()
            }
            Source::File(_) => None,
        }
    }
}

impl NarCache {
    pub(super) fn at_hand(&self, tag: String, by_name: bool) -> Option<AtHand> {
        if by_name
            && self.disk.known(&tag).is_some_and(|file| file.size >= NAMED)
            && let Some(found) = self.disk.open_now(&tag, &self.nowait)
        {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Some(AtHand { tag, source: Source::File(found) });
        }
        let source = if let Some(small) = self.memory.get(&tag) {
            if small.is_to_be_noted() {
                self.disk.used(&tag);
            }
            Source::Memory(small)
        } else {
            // What there is room for is read into memory, which is not done here.
            let file = self.disk.known(&tag)?;
            if memory::is_small(&file) && self.memory.has_room(&file) {
                return None;
            }
            Source::File(self.disk.open_now(&tag, &self.nowait)?)
        };
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(AtHand { tag, source })
    }
}
