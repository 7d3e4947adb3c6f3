//! Reading a range of a NAR from the files it describes: on the blocking pool, or as far as the kernel has it in memory.

use std::{io, mem, ops::Range, os::fd::OwnedFd, sync::Arc};

use rns_file_io::buffer::BUFFER_BYTES;
use rns_formats::{
    Sha256Digest, Sha256Hasher,
    nar::{NarLayout, Position, Segment},
};
use rustix::{fs::FileType, io::Errno};

use super::{
    damage::of_path,
    layouts::LayoutKey,
    tree::{self, Tree},
};
use crate::{
    CacheError,
    file_io::{file_time::FileTime, nonblocking_io::NonblockingIo},
    store::path_health::PathHealth,
};

/// The rest of a range of a NAR.
pub(crate) struct RangeReader {
    layout: Arc<NarLayout>,
    tree: Tree,
    position: Position,
    remaining: u64,
    open: Option<OpenFile>,
    check: Checking,
    /// Bytes that were handed out.
    handed_out: u64,
    started: FileTime,
    key: LayoutKey,
    health: Arc<PathHealth>,
    nonblocking_io: Arc<NonblockingIo>,
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

/// The source of a reader.
pub(crate) struct NarSource {
    pub(crate) layout: Arc<NarLayout>,
    pub(crate) tree: Tree,
    pub(crate) key: LayoutKey,
    pub(crate) health: Arc<PathHealth>,
    pub(crate) nonblocking_io: Arc<NonblockingIo>,
}

struct OpenFile {
    index: usize,
    file: OwnedFd,
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
            open: None,
            layout,
            tree,
            key,
            health,
            nonblocking_io,
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
            self.open = None;
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
                Segment::File { index, offset, .. } => self.read_file(target, index, offset)?,
            }
            self.remaining -= len;
            filled += target.len();
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
        let rest = (self.position, self.remaining, self.open.take());
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
        (self.position, self.remaining, self.open) = rest;
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
            self.open = None;
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
                Segment::File { index, offset, .. } => self.read_file_now(target, index, offset),
            };
            filled += read;
            self.remaining -= read as u64;
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
        Err(self.damaged(format!("its contents have the hash {actual}, registered is {expected}")))
    }

    fn read_file(
        &mut self,
        mut target: &mut [u8],
        index: usize,
        mut offset: u64,
    ) -> Result<(), CacheError> {
        let file = match self.open.take() {
            Some(open) if open.index == index => open.file,
            _ => self.open_file(index)?,
        };
        while !target.is_empty() {
            match rustix::io::pread(&file, &mut *target, offset) {
                Ok(0) => {
                    return Err(self.damaged(format!("{} became shorter", self.display(index))));
                }
                Ok(read) => {
                    offset += read as u64;
                    target = target.get_mut(read..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.refused("read", index, error.into())),
            }
        }
        self.keep_or_close(file, index, offset);
        Ok(())
    }

    fn read_file_now(&mut self, target: &mut [u8], index: usize, offset: u64) -> usize {
        let opened = match self.open.take() {
            Some(open) if open.index == index => Some(open.file),
            _ => self.open_file_now(index),
        };
        let Some(file) = opened else { return 0 };
        let read = self.nonblocking_io.read(&file, target, offset);
        self.keep_or_close(file, index, offset + read as u64);
        read
    }

    /// Keeps a file of which there is more to read. One that was read to its end must not have changed meanwhile.
    fn keep_or_close(&mut self, file: OwnedFd, index: usize, offset: u64) {
        if self.layout.file(index).is_some_and(|slice| offset < slice.size) {
            self.open = Some(OpenFile { index, file });
        } else if matches!(self.check, Checking::Trusting(..)) {
            match rustix::fs::fstat(&file) {
                Ok(stat) => self.note_time(FileTime::changed(&stat)),
                Err(_) => self.doubt(),
            }
        }
    }

    /// When a file was last changed.
    fn note_time(&mut self, changed: FileTime) {
        let verified = match self.check {
            Checking::Trusting(verified, _) => Some(verified),
            Checking::Not => self.health.verified_at(&self.key),
            Checking::Hashing(..) | Checking::Doubting(_) => None,
        };
        if verified.is_some_and(|verified| changed.may_be_since(verified)) {
            self.doubt();
        }
    }

    fn doubt(&mut self) {
        self.health.forget_verified(&self.key);
        if let Checking::Trusting(_, expected) = self.check {
            self.check = Checking::Doubting(expected);
        }
    }

    fn open_file(&mut self, index: usize) -> Result<OwnedFd, CacheError> {
        let file = self
            .tree
            .open_file(&self.name(index))
            .map_err(|error| self.refused("open", index, error))?;
        self.accept(file, index)
    }

    fn open_file_now(&mut self, index: usize) -> Option<OwnedFd> {
        let name = self.name(index);
        let file = self.tree.open_file_now(&name, &self.nonblocking_io)?;
        let file = self.accept(file, index).ok()?;
        (!matches!(self.check, Checking::Doubting(_))).then_some(file)
    }

    /// A file that still agrees with the layout.
    fn accept(&mut self, file: OwnedFd, index: usize) -> Result<OwnedFd, CacheError> {
        let stat =
            rustix::fs::fstat(&file).map_err(|error| self.refused("stat", index, error.into()))?;
        let expected = self.layout.file(index).map_or(0, |slice| slice.size);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || tree::size(&stat) != expected
        {
            return Err(self.damaged(format!(
                "{} is not a file of {expected} bytes any more",
                self.display(index)
            )));
        }
        self.note_time(FileTime::changed(&stat));
        Ok(file)
    }

    fn refused(&self, doing: &'static str, index: usize, source: io::Error) -> CacheError {
        let path = self.tree.path().join(self.display(index));
        of_path(self.tree.store_path(), CacheError::io(doing, path)(source))
    }

    fn name(&self, index: usize) -> Vec<u8> {
        self.layout.file_path(index).unwrap_or_default().join(&b'/')
    }

    fn display(&self, index: usize) -> String {
        String::from_utf8_lossy(&self.name(index)).into_owned()
    }

    fn damaged(&self, why: String) -> CacheError {
        CacheError::Damaged { path: self.tree.store_path().clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        time::Duration,
    };

    use rns_formats::{StoreDir, StorePath};
    use rustix::fs::Advice;

    use super::{super::walk, *};
    use crate::{AbsentStore, db::Database, store::store_presence::StorePresence};

    /// Reads everything in small steps, of which each `waiting`th may wait.
    fn read(source: NarSource, range: &Range<u64>, step: usize, waiting: usize) -> Vec<u8> {
        let mut reader = RangeReader::new(source, range, HashCheck::Unwanted);
        let (mut bytes, mut room) = (Vec::new(), vec![0; step]);
        for turn in 0.. {
            if reader.is_at_end() {
                break;
            }
            let now = if turn % waiting == waiting - 1 { 0 } else { reader.fill_now(&mut room) };
            let filled = if now == 0 { reader.fill(&mut room).unwrap() } else { now };
            bytes.extend_from_slice(&room[..filled]);
        }
        bytes
    }

    #[test]
    fn whoever_reads_the_bytes_are_the_same() {
        let store = tempfile::tempdir().unwrap();
        let path = StorePath::parse("00000000000000000000000000000000-x").unwrap();
        let root = store.path().join(path.as_str());
        fs::create_dir_all(root.join("deep/er")).unwrap();
        fs::write(root.join("a"), vec![b'a'; 900_000]).unwrap();
        fs::write(root.join("deep/er/b"), "b".repeat(33)).unwrap();
        fs::write(root.join("deep/empty"), "").unwrap();
        // Where the file system can do that, the rest of the file is not in memory.
        let forget = || {
            let file = File::open(root.join("a")).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 400_000, None, Advice::DontNeed).unwrap();
        };
        let source = |nonblocking_io: NonblockingIo| {
            let tree = Tree::open(store.path(), &path).unwrap();
            NarSource {
                layout: Arc::new(walk::layout(&tree).unwrap()),
                tree,
                key: LayoutKey { hash: path.hash_part(), row: 1 },
                health: Arc::new(PathHealth::new(Arc::new(StorePresence::new(
                    Database::new(
                        store.path().join("none"),
                        1,
                        Duration::ZERO,
                        AbsentStore::Unavailable,
                    ),
                    StoreDir::default(),
                    store.path().to_owned(),
                )))),
                nonblocking_io: Arc::new(nonblocking_io),
            }
        };
        let size = source(NonblockingIo::default()).layout.nar_size();
        let whole = read(source(NonblockingIo::default()), &(0..size), 1 << 20, 1);
        assert_eq!(whole.len() as u64, size);
        for nonblocking_io in [NonblockingIo::default, NonblockingIo::refused] {
            for (step, waiting) in [(1 << 20, usize::MAX), (6000, 3), (5000, usize::MAX)] {
                forget();
                assert!(
                    read(source(nonblocking_io()), &(0..size), step, waiting) == whole,
                    "{step}"
                );
                forget();
                let part = read(source(nonblocking_io()), &(100..size - 50), step, waiting);
                assert!(part[..] == whole[100..whole.len() - 50], "{step}");
            }
        }
    }
}
