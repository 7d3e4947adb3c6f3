//! Compressed NARs that can be sent at once.

use std::sync::atomic::Ordering;

use rns_cache::{FilePart, Piece, ReadyBody, ReadyNar};

use super::{cache::NarCache, memory};
use crate::file_io::file_part::resident;

/// From this length on, a server in front that sends files itself is better off with the name of one.
const MIN_NAMED_BYTES: u64 = 16 << 10;

impl NarCache {
    /// A NAR that can be sent at once, from memory or from its file.
    pub(super) fn ready_nar(&self, tag: String, by_name: bool) -> Option<ReadyNar> {
        let file = self.known(&tag)?;
        let body = if by_name && file.size >= MIN_NAMED_BYTES {
            let found = self.disk.open_now(&tag, &self.nonblocking_io)?;
            ReadyBody::FileName(found.name.to_string())
        } else if let Some(small) = self.memory.get(&tag) {
            if small.is_to_be_noted() {
                self.disk.used(&tag);
            }
            ReadyBody::Piece(Piece::Bytes(small.bytes))
        } else if memory::is_small(&file) && self.memory.has_room(&file)
            || file.size > FilePart::MAX_LEN as u64
        {
            return None;
        } else {
            let found = self.disk.open_now(&tag, &self.nonblocking_io)?;
            ReadyBody::Piece(Piece::File(resident(&found.open, &(0..found.file.size))?))
        };
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(ReadyNar { etag: tag, len: file.size, body })
    }
}
