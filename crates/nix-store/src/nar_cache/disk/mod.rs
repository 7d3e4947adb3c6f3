//! The files of the cache, their total size, and the order in which they go.
//!
//! The names say everything that must be known, so a start needs no index file: the directory is read once. The time
//! of the last use is kept as the access time of the file, which this program sets itself.

mod check;
mod scan;
mod temporary;

use std::{
    collections::HashMap,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, utimensat,
};

use self::check::FileCheck;
pub(super) use self::temporary::Temporary;
use super::file_name::{self, CompressedFile};
use crate::file_io::nonblocking_io::NonblockingIo;

/// The time of the last use is written to the file when it has moved on by this much.
const CACHED_FILE_TOUCH_INTERVAL: Duration = Duration::from_secs(600);

const CACHED_FILE_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// So much of the bound is left when files have been removed, in percent: room for some more.
const MAX_FULL_PERCENT: u64 = 95;

pub(super) struct Disk {
    directory: PathBuf,
    bound: u64,
    files: Mutex<DiskTable>,
    /// The total size of temporary files, in bytes.
    growing: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Default)]
struct DiskTable {
    by_tag: HashMap<Arc<str>, DiskEntry>,
    bytes: u64,
}

struct DiskEntry {
    file: CompressedFile,
    /// Nanoseconds since 1970.
    used: u64,
    touched: u64,
    check: Arc<FileCheck>,
}

/// A file of the cache that was found to agree with its name. It can be read to its end, also after the name is
/// gone.
#[derive(Clone, Debug)]
pub(super) struct CachedFile {
    pub(super) file: CompressedFile,
    pub(super) name: Arc<str>,
    pub(super) open: Arc<OwnedFd>,
}

impl Disk {
    pub(super) fn new(directory: PathBuf, bound: u64) -> Self {
        Self {
            directory,
            bound,
            files: Mutex::default(),
            growing: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The facts about the file, without looking whether it is still there.
    pub(super) fn known(&self, tag: &str) -> Option<CompressedFile> {
        self.files().by_tag.get(tag).map(|entry| entry.file)
    }

    /// Notes that a file was used, without opening it.
    pub(super) fn used(&self, tag: &str) {
        if let Some(entry) = self.files().by_tag.get_mut(tag) {
            entry.used = now();
        }
    }

    /// Opens a file that was found right before and is in the kernel's memory. `None` says nothing.
    pub(super) fn open_now(&self, tag: &str, nonblocking_io: &NonblockingIo) -> Option<CachedFile> {
        let now = now();
        let (file, check) = {
            let mut files = self.files();
            let entry = files.by_tag.get_mut(tag)?;
            if is_due(entry, now) {
                return None;
            }
            entry.used = now;
            (entry.file, Arc::clone(&entry.check))
        };
        let name = file_name::print(tag, &file);
        let open = nonblocking_io.open(
            CWD,
            self.directory.join(&name),
            CACHED_FILE_FLAGS,
            ResolveFlags::empty(),
        )?;
        let found = CachedFile { file, name: name.into(), open: Arc::new(open) };
        check.is_done(&found.open).then_some(found)
    }

    /// Opens a file. One that is gone, or contradicts its name, is forgotten. Blocks.
    pub(super) fn open(&self, tag: &str) -> Option<CachedFile> {
        let now = now();
        let (file, check, touch) = {
            let mut files = self.files();
            let entry = files.by_tag.get_mut(tag)?;
            entry.used = now;
            let touch = is_due(entry, now);
            if touch {
                entry.touched = now;
            }
            (entry.file, Arc::clone(&entry.check), touch)
        };
        let name = file_name::print(tag, &file);
        let path = self.directory.join(&name);
        let opened = rustix::fs::open(&path, CACHED_FILE_FLAGS, Mode::empty());
        match opened
            .map_err(io::Error::from)
            .and_then(|open| check.run(&open, &file).map(|()| open))
        {
            Ok(open) => {
                if touch {
                    set_used(&path, now);
                }
                Some(CachedFile { file, name: name.into(), open: Arc::new(open) })
            }
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::NotFound => self.remove(tag),
                    io::ErrorKind::InvalidData => {
                        tracing::warn!("{} is removed from the NAR cache: {error}", path.display());
                        self.remove(tag);
                    }
                    // Nothing is wrong with the file when there are too many others open.
                    _ => tracing::warn!("cannot read {}: {error}", path.display()),
                }
                None
            }
        }
    }

    /// Removes a file and its entry.
    fn remove(&self, tag: &str) {
        let removed = {
            let mut files = self.files();
            let removed = files.by_tag.remove(tag);
            files.bytes -= removed.as_ref().map_or(0, |entry| entry.file.size);
            removed
        };
        if let Some(entry) = removed {
            _ = fs::remove_file(self.directory.join(file_name::print(tag, &entry.file)));
        }
    }

    fn enter(&self, tag: Arc<str>, entry: DiskEntry) {
        let mut files = self.files();
        files.bytes += entry.file.size;
        if let Some(before) = files.by_tag.insert(tag, entry) {
            files.bytes -= before.file.size;
        }
    }

    /// Notes that a temporary file grows; whether there is room for that, when all others have gone.
    fn grow(&self, bytes: u64) -> bool {
        let growing = self.growing.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if growing + self.bytes() > self.bound {
            self.make_room();
        }
        growing <= self.bound
    }

    /// Removes the files that were not used for the longest time, if all together take too much.
    fn make_room(&self) {
        let growing = self.growing.load(Ordering::Relaxed);
        let mut leaving = Vec::new();
        {
            let mut files = self.files();
            if files.bytes + growing <= self.bound {
                return;
            }
            let target = (self.bound / 100 * MAX_FULL_PERCENT).saturating_sub(growing);
            let mut by_use: Vec<_> =
                files.by_tag.iter().map(|(tag, entry)| (entry.used, Arc::clone(tag))).collect();
            by_use.sort_unstable();
            for (_, tag) in by_use {
                if files.bytes <= target {
                    break;
                }
                if let Some(entry) = files.by_tag.remove(&tag) {
                    files.bytes -= entry.file.size;
                    leaving.push(file_name::print(&tag, &entry.file));
                }
            }
        }
        self.evictions.fetch_add(leaving.len() as u64, Ordering::Relaxed);
        for name in leaving {
            _ = fs::remove_file(self.directory.join(name));
        }
    }

    /// The total size of finished files, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.files().bytes
    }

    /// How many files had to go.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    fn files(&self) -> MutexGuard<'_, DiskTable> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the time of the last use is to be written to the file.
const fn is_due(entry: &DiskEntry, now: u64) -> bool {
    Duration::from_nanos(now.saturating_sub(entry.touched)).as_secs()
        >= CACHED_FILE_TOUCH_INTERVAL.as_secs()
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Failure costs only that the file may go a little too early after a restart.
fn set_used(path: &Path, nanos: u64) {
    let used = Timespec {
        tv_sec: (nanos / 1_000_000_000).cast_signed(),
        tv_nsec: (nanos % 1_000_000_000).cast_signed(),
    };
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: used, last_modification: unchanged };
    _ = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
}
