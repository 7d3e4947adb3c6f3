//! Reading a range of a NAR from the files it describes: on the blocking pool, or as far as the kernel has it in memory.

use std::{mem, ops::Range, sync::Arc};

use rns_file_io::buffer::BUFFER_BYTES;
use rns_formats::{
    Sha256Digest, Sha256Hasher,
    nar::{NarLayout, Position, Segment},
};

use super::{
    file_reader::{LastChange, NarFileReader},
    layouts::LayoutKey,
    tree::Tree,
};
use crate::{
    CacheError,
    file_io::{file_time::FileTime, nonblocking_io::NonblockingIo},
    store::path_health::PathHealth,
};

/// The rest of a range of a NAR.
pub(crate) struct RangeReader {
    layout: Arc<NarLayout>,
    files: NarFileReader,
    position: Position,
    remaining: u64,
    check: Checking,
    /// Bytes that were handed out.
    handed_out: u64,
    started: FileTime,
    key: LayoutKey,
    health: Arc<PathHealth>,
}

/// Whether the bytes that are read are compared with the registered hash.
#[derive(Clone, Copy)]
pub(crate) enum HashCheck {
    /// They are.
    Wanted(Sha256Digest),
    /// They need not be, unless a file turns out to have changed since this time, when all of them were right.
    UnlessChangedSince(FileTime, Sha256Digest),
    /// They are not: it is only a part of the NAR, or they need no check.
    Unwanted,
}

/// How far that is.
enum Checking {
    Hashing(Sha256Hasher, Sha256Digest),
    Trusting(FileTime, Sha256Digest),
    /// A file has changed since the bytes were right: the bytes that were handed out must be hashed after all.
    Doubting(Sha256Digest),
    Not,
}

impl Checking {
    /// Whether a file is asked once more when it was changed, after its last byte was read.
    const fn looks_again(&self) -> bool {
        matches!(self, Self::Trusting(..))
    }
}

/// The source of a reader.
pub(crate) struct NarSource {
    pub(crate) layout: Arc<NarLayout>,
    pub(crate) tree: Tree,
    pub(crate) key: LayoutKey,
    pub(crate) health: Arc<PathHealth>,
    pub(crate) nonblocking_io: Arc<NonblockingIo>,
}

impl RangeReader {
    /// Reads `range`, which lies within the NAR. Only a whole NAR can be checked.
    pub(crate) fn new(source: NarSource, range: &Range<u64>, check: HashCheck) -> Self {
        let NarSource { layout, tree, key, health, nonblocking_io } = source;
        Self {
            position: layout.position(range.start),
            remaining: range.end.saturating_sub(range.start),
            check: match check {
                HashCheck::Wanted(expected) => Checking::Hashing(Sha256Hasher::new(), expected),
                HashCheck::UnlessChangedSince(time, expected) => Checking::Trusting(time, expected),
                HashCheck::Unwanted => Checking::Not,
            },
            handed_out: 0,
            started: FileTime::now(),
            files: NarFileReader::new(Arc::clone(&layout), tree, nonblocking_io),
            layout,
            key,
            health,
        }
    }

    /// Whether everything has been read.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.remaining == 0
    }

    /// Fills `room` as far as there is something left, and says how far. The last bytes are handed
    /// out only when the hash of all is right. Blocks.
    ///
    /// # Errors
    /// `Damaged` when the files are not the registered ones, `Gone` when they have been removed meanwhile, `Io`
    /// when they cannot be read.
    pub(crate) fn fill(&mut self, room: &mut [u8]) -> Result<usize, CacheError> {
        self.try_fill(room).map_err(|error| self.health.judge(self.key, self.started, error))
    }

    fn try_fill(&mut self, room: &mut [u8]) -> Result<usize, CacheError> {
        let filled = self.read(room)?;
        if let Checking::Doubting(expected) = self.check {
            self.check = Checking::Hashing(self.hash_again()?, expected);
        }
        if let Checking::Hashing(hasher, _) = &mut self.check {
            hasher.update(room.get(..filled).unwrap_or_default());
        }
        self.handed_out += filled as u64;
        if self.remaining == 0 {
            self.files.close();
            self.finish_check()?;
        }
        Ok(filled)
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize, CacheError> {
        let mut filled = 0;
        while self.remaining > 0 {
            let left = room.get_mut(filled..).unwrap_or_default();
            let most = self.remaining.min(left.len() as u64);
            let Some(segment) = self.layout.next_segment(&mut self.position, most) else { break };
            let len = segment.len();
            let Some(target) = usize::try_from(len).ok().and_then(|len| left.get_mut(..len)) else {
                break;
            };
            match segment {
                Segment::Literal(bytes) => target.copy_from_slice(bytes),
                Segment::File { index, offset, .. } => {
                    self.files.read(target, index, offset, self.check.looks_again())?;
                }
            }
            self.remaining -= len;
            filled += target.len();
            self.note_change();
        }
        Ok(filled)
    }

    /// Hashes the beginning of the NAR, which was handed out, by reading it once more: files that did not change still are
    /// the ones that were sent.
    fn hash_again(&mut self) -> Result<Sha256Hasher, CacheError> {
        let mut hasher = Sha256Hasher::new();
        if self.handed_out == 0 {
            return Ok(hasher);
        }
        let (rest, paused) = ((self.position, self.remaining), self.files.pause());
        self.position = self.layout.position(0);
        self.remaining = self.handed_out;
        let mut room = vec![0; BUFFER_BYTES];
        let again = loop {
            match self.read(&mut room) {
                Ok(0) => break Ok(()),
                Ok(filled) => hasher.update(room.get(..filled).unwrap_or_default()),
                Err(error) => break Err(error),
            }
        };
        (self.position, self.remaining) = rest;
        self.files.resume(paused);
        again.map(|()| hasher)
    }

    /// Fills as much of `room` as the kernel has in memory, and says how much that is. Nothing, where a hash is to be
    /// computed: that would take too long. [`Self::fill`] goes on from there.
    pub(crate) fn fill_now(&mut self, room: &mut [u8]) -> usize {
        let before = (self.position, self.remaining);
        let filled = self.read_now(room);
        if matches!(self.check, Checking::Doubting(_)) {
            // Nothing of it may be handed out before that is settled.
            (self.position, self.remaining) = before;
            return 0;
        }
        self.handed_out += filled as u64;
        if self.remaining == 0 {
            self.files.close();
        }
        filled
    }

    fn read_now(&mut self, room: &mut [u8]) -> usize {
        let mut filled = 0;
        while self.remaining > 0 && matches!(self.check, Checking::Trusting(..) | Checking::Not) {
            let left = room.get_mut(filled..).unwrap_or_default();
            let most = self.remaining.min(left.len() as u64);
            let before = self.position;
            let Some(segment) = self.layout.next_segment(&mut self.position, most) else { break };
            let len = usize::try_from(segment.len()).unwrap_or(usize::MAX);
            let Some(target) = left.get_mut(..len) else {
                self.position = before;
                break;
            };
            let read = match segment {
                Segment::Literal(bytes) => {
                    target.copy_from_slice(bytes);
                    len
                }
                Segment::File { index, offset, .. } => {
                    self.files.read_now(target, index, offset, self.check.looks_again())
                }
            };
            filled += read;
            self.remaining -= read as u64;
            self.note_change();
            if read < len {
                self.position = before;
                if read > 0 {
                    _ = self.layout.next_segment(&mut self.position, read as u64);
                }
                break;
            }
        }
        filled
    }

    fn finish_check(&mut self) -> Result<(), CacheError> {
        match mem::replace(&mut self.check, Checking::Not) {
            Checking::Hashing(hasher, expected) => self.compare(hasher.finish(), expected),
            Checking::Trusting(..) | Checking::Doubting(_) | Checking::Not => Ok(()),
        }
    }

    fn compare(&self, actual: Sha256Digest, expected: Sha256Digest) -> Result<(), CacheError> {
        if actual == expected {
            self.health.note_verified(self.key, self.started);
            return Ok(());
        }
        Err(self
            .files
            .damaged(format!("its contents have the hash {actual}, registered is {expected}")))
    }

    /// Doubts the bytes if a file may have changed since they were found right.
    fn note_change(&mut self) {
        let Some(change) = self.files.take_change() else { return };
        let verified = match self.check {
            Checking::Trusting(verified, _) => Some(verified),
            Checking::Not => self.health.verified_at(&self.key),
            Checking::Hashing(..) | Checking::Doubting(_) => None,
        };
        let may_have_changed = |verified| match change {
            LastChange::At(time) => time.may_be_since(verified),
            LastChange::Unknown => true,
        };
        if verified.is_some_and(may_have_changed) {
            self.doubt();
        }
    }

    fn doubt(&mut self) {
        self.health.forget_verified(&self.key);
        if let Checking::Trusting(_, expected) = self.check {
            self.check = Checking::Doubting(expected);
        }
    }
}

#[cfg(test)]
mod tests;
