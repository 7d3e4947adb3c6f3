//! Compressed NARs that can be sent at once.

use std::{any::Any, sync::atomic::Ordering};

use super::{NarCache, Small, disk::Found, memory};
use crate::{FilePart, Piece};

/// From this length on, somebody who sends files himself is better off with the name of one.
const NAMED: u64 = 16 << 10;

/// A compressed NAR in memory, or in a file that the kernel has in memory.
pub struct InMemory {
    tag: String,
    source: Source,
}

enum Source {
    Memory(Small),
    /// All of a file.
    Part(Found, FilePart),
    /// A file for somebody who sends it himself.
    Name(Found),
}

impl InMemory {
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
            Source::Part(found, _) | Source::Name(found) => found.file.size,
        }
    }

    /// Its name in the directory of the cache, for somebody who has asked for that.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        match &self.source {
            Source::Name(found) => Some(&found.name),
            Source::Memory(_) | Source::Part(..) => None,
        }
    }

    /// All of it; `None` where there is a name.
    #[must_use]
    pub fn into_piece(self) -> Option<Piece> {
        match self.source {
            Source::Memory(small) => Some(Piece::Bytes(small.bytes)),
            Source::Part(_, part) => Some(Piece::File(part)),
            Source::Name(_) => None,
        }
    }

    /// What was once made of tag and length of a NAR in memory, kept as long as it is there. It is always asked for with
    /// the same `make`.
    pub fn made<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        match &self.source {
            Source::Memory(small) => {
                small.shared.made.get_or_init(|| Box::new(make())).downcast_ref()
            }
            Source::Part(..) | Source::Name(_) => None,
        }
    }
}

impl NarCache {
    /// Something that can be sent at once. What there is room for in memory is read into memory, which is not done here.
    pub(super) fn at_hand(&self, tag: String, by_name: bool) -> Option<InMemory> {
        let file = self.known(&tag)?;
        let source = if by_name && file.size >= NAMED {
            Source::Name(self.disk.open_now(&tag, &self.nonblocking_io)?)
        } else if let Some(small) = self.memory.get(&tag) {
            if small.is_to_be_noted() {
                self.disk.used(&tag);
            }
            Source::Memory(small)
        } else if memory::is_small(&file) && self.memory.has_room(&file)
            || file.size > FilePart::MOST as u64
        {
            return None;
        } else {
            let found = self.disk.open_now(&tag, &self.nonblocking_io)?;
            let part = FilePart::resident(&found.open, &(0..found.file.size))?;
            Source::Part(found, part)
        };
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(InMemory { tag, source })
    }
}
