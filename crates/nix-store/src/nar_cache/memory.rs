//! Small compressed NARs, kept in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use rustix::io::Errno;

use super::{disk::CachedFile, file_name::CompressedFile};
use crate::file_io::nonblocking_io::NonblockingIo;

/// The longest that is kept.
pub(super) const MAX_ENTRY_BYTES: usize = 64 << 10;

/// The time of the last use is noted to so many seconds.
const NOTED: u64 = 10;

/// The bytes of a compressed NAR and the facts about it.
#[derive(Clone)]
pub(super) struct Small {
    pub(super) file: CompressedFile,
    pub(super) bytes: Bytes,
    /// When its last use was noted where files are kept, in seconds since 1970.
    noted: Arc<AtomicU64>,
}

impl Small {
    pub(super) fn new(file: CompressedFile, bytes: Bytes) -> Self {
        Self { file, bytes, noted: Arc::default() }
    }

    /// Whether its use is to be noted again. Then it is taken for noted.
    pub(super) fn is_to_be_noted(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let noted = self.noted.swap(now, Ordering::Relaxed);
        if now.abs_diff(noted) < NOTED {
            self.noted.store(noted, Ordering::Relaxed);
        }
        now.abs_diff(noted) >= NOTED
    }
}

pub(super) struct Memory(Cache<Arc<str>, Small, Size>);

/// Memory that is not counted otherwise, which the allocator needs.
const ENTRY_OVERHEAD_BYTES: usize = 128;

#[derive(Clone)]
struct Size;

impl Weighter<Arc<str>, Small> for Size {
    fn weight(&self, tag: &Arc<str>, small: &Small) -> u64 {
        (small.bytes.len() + tag.len() + size_of::<Small>() + ENTRY_OVERHEAD_BYTES) as u64
    }
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Cache::with_weighter((bytes >> 14).clamp(16, 65_536), bytes as u64, Size))
    }

    pub(super) fn get(&self, tag: &str) -> Option<Small> {
        self.0.get(tag)
    }

    pub(super) fn insert(&self, tag: Arc<str>, small: Small) {
        self.0.insert(tag, small);
    }

    /// Whether one more is kept without driving out another, as good as certainly.
    pub(super) fn has_room(&self, file: &CompressedFile) -> bool {
        self.0.weight() + file.size + ENTRY_OVERHEAD_BYTES as u64 <= self.0.capacity() / 16 * 15
    }

    /// Memory in use, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

/// Whether a file is read faster than it is handed on.
pub(super) const fn is_small(file: &CompressedFile) -> bool {
    file.size <= MAX_ENTRY_BYTES as u64
}

/// The contents of a small file, if the kernel has them in memory.
pub(super) fn read_now(found: &CachedFile, nonblocking_io: &NonblockingIo) -> Option<Small> {
    let mut bytes = vec![0; usize::try_from(found.file.size).ok()?];
    let read = nonblocking_io.read(&found.open, &mut bytes, 0);
    (read == bytes.len()).then(|| Small::new(found.file, bytes.into()))
}

/// The contents of a file that is read faster than it is handed on. Blocks.
pub(super) fn read(found: &CachedFile) -> Option<Small> {
    let len = usize::try_from(found.file.size).ok().filter(|_| is_small(&found.file))?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match rustix::io::pread(&found.open, room, filled as u64) {
            Ok(0) => return None,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(Small::new(found.file, bytes.into()))
}
