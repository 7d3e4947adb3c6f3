//! Which names the directory of a storage has, in memory: most paths that clients ask for are not there.
//!
//! A look-up in the directory costs a third of such an answer. It waits for the disk if the kernel does not have the name in memory.
//! The kernel queues a note of each new name (inotify) before the call that makes it returns. So a name is not there if it was not
//! there when the directory was listed, no note of it has been read since, and no note waits. Removed names stay in the set: a
//! name that is in it says nothing.
//!
//! This holds on file systems that only this machine changes, and only through its kernel.

use std::{
    collections::HashSet,
    ffi::CStr,
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::{PoisonError, RwLock},
};

use rns_formats::HashPart;
use rustix::{
    fs::{
        CWD, Dir, Mode, OFlags, fstat, fstatfs,
        inotify::{self, CreateFlags, ReadFlags, WatchFlags},
        openat,
    },
    io::{Errno, ioctl_fionread},
};

use crate::objects::NARS;

/// Numbers of the file systems on which the kernel notes each new name: ext4, XFS, Btrfs, tmpfs, F2FS and bcachefs
/// (`linux/magic.h`; `fs/bcachefs/bcachefs_format.h`). Not ZFS, whose `rollback` brings names back without a note.
const NOTING_FILE_SYSTEMS: [u64; 6] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0xca45_1a4e];

/// Bytes of notes that are read at a time: those of some fifty names.
const NOTE_BUFFER_BYTES: usize = 4 << 10;

/// The most reads of notes for one question. Event loops ask it.
const MAX_NOTE_READS: usize = 32;

/// The first bytes of a hash: two names have the same once in four thousand million times, and then nothing is known of the one
/// that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NameDigest(u32);

impl NameDigest {
    /// Of the narinfo of a path.
    pub(super) fn of_narinfo(hash: &HashPart) -> Self {
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self(u32::from_le_bytes([a, b, c, d]))
    }

    /// Of an object. `None`: it is neither a narinfo nor a NAR.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        match key.split_once('/') {
            Some((NARS, name)) => Some(Self::of_nar(name)),
            Some(_) => None,
            None => Some(Self::of_narinfo(&HashPart::parse(key.strip_suffix(".narinfo")?).ok()?)),
        }
    }

    /// FNV-1a.
    fn of_nar(name: &str) -> Self {
        let step = |sum: u32, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        Self(name.bytes().fold(0x811c_9dc5, step))
    }
}

/// Which directory it is, wherever its name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryIdentity {
    device: u64,
    inode: u64,
}

impl DirectoryIdentity {
    pub(super) fn of(directory: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = fstat(directory)?;
        #[allow(clippy::useless_conversion, reason = "the types differ between architectures")]
        Ok(Self { device: u64::from(stat.st_dev), inode: u64::from(stat.st_ino) })
    }
}

/// The names of a directory and of its folder of NARs.
pub(super) struct DirectoryNames {
    /// Which directories these are.
    pub(super) of: [DirectoryIdentity; 2],
    notes: OwnedFd,
    watches: [i32; 2],
    max_names: usize,
    known: RwLock<KnownNames>,
}

struct KnownNames {
    names: HashSet<NameDigest>,
    /// Whether no note was lost.
    is_complete: bool,
}

impl DirectoryNames {
    /// Lists a directory. `None`: its file system does not note each new name, it has no folder of NARs, or more than
    /// `max_names` names. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be read, or not be watched.
    pub(super) fn list(root: &Path, max_names: usize) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty())?;
        let nars = match openat(&root, NARS, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            nars => nars?,
        };
        for directory in [&root, &nars] {
            #[allow(clippy::cast_sign_loss, clippy::useless_conversion, reason = "as above")]
            let kind = fstatfs(directory)?.f_type as u64;
            if !NOTING_FILE_SYSTEMS.contains(&kind) {
                return Ok(None);
            }
        }
        let notes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watches = [watch(&notes, &root)?, watch(&notes, &nars)?];
        let of = [DirectoryIdentity::of(root.as_fd())?, DirectoryIdentity::of(nars.as_fd())?];
        if watches[0] == watches[1] {
            // The folder is a link to the directory: its notes do not say which of the two a name is in.
            return Ok(None);
        }
        // Names that come now are noted.
        let known = KnownNames { names: HashSet::new(), is_complete: true };
        let known = RwLock::new(known);
        let this = Self { of, notes, watches, max_names, known };
        for (number, directory) in [root, nars].into_iter().enumerate() {
            for entry in Dir::new(directory)? {
                let entry = entry?;
                let mut known = this.known.write().unwrap_or_else(PoisonError::into_inner);
                this.enter(&mut known, number, entry.file_name());
                if !known.is_complete {
                    return Ok(None);
                }
            }
        }
        Ok(Some(this))
    }

    /// Returns true if no name was missed.
    pub(super) fn is_complete(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_complete
    }

    /// Returns true if there is certainly no such name, and `None` where all names have to be listed anew.
    pub(super) fn lacks(&self, name: NameDigest) -> Option<bool> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if !known.is_complete {
                return None;
            }
            // A note that another thread has read is in the set: it holds the lock from one to the other.
            if ioctl_fionread(&self.notes) == Ok(0) {
                return Some(!known.names.contains(&name));
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        self.read_notes(&mut known);
        known.is_complete.then(|| !known.names.contains(&name))
    }

    /// Enters the names of all notes that wait.
    fn read_notes(&self, known: &mut KnownNames) {
        for _ in 0..MAX_NOTE_READS {
            let mut buffer = [MaybeUninit::uninit(); NOTE_BUFFER_BYTES];
            let mut notes = inotify::Reader::new(&self.notes, &mut buffer);
            loop {
                match notes.next() {
                    Ok(note) => self.take_note(known, &note),
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return,
                    Err(_) => {
                        known.is_complete = false;
                        return;
                    }
                }
                if !known.is_complete {
                    return;
                }
                if notes.is_buffer_empty() {
                    break;
                }
            }
        }
        // They come faster than they are read.
        known.is_complete = false;
    }

    fn take_note(&self, known: &mut KnownNames, note: &inotify::Event<'_>) {
        let is_new_name = note.events().intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        let number = self.watches.iter().position(|watch| *watch == note.wd());
        match (number, note.file_name()) {
            // The folder of NARs is another one now.
            (Some(0), Some(name)) if name.to_bytes() == NARS.as_bytes() => {
                known.is_complete = false
            }
            (Some(number), Some(name)) if is_new_name => self.enter(known, number, name),
            // Notes were lost, or a directory is gone.
            _ => known.is_complete = false,
        }
    }

    /// Enters a name of the directory with this number.
    fn enter(&self, known: &mut KnownNames, number: usize, name: &CStr) {
        // Other names are not asked for.
        let Ok(name) = name.to_str() else { return };
        let digest = match number {
            0 => NameDigest::of_key(name),
            // The directory itself, and a file that is being written, are no NARs.
            _ => (!name.starts_with('.') && !name.contains('#')).then(|| NameDigest::of_nar(name)),
        };
        if let Some(digest) = digest {
            known.names.insert(digest);
            known.is_complete &= known.names.len() <= self.max_names;
        }
    }
}

/// Watches a directory for new names, by the directory itself: its name may lead elsewhere by now.
fn watch(notes: &OwnedFd, directory: &OwnedFd) -> io::Result<i32> {
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
    Ok(inotify::add_watch(notes, path, flags)?)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        thread,
    };

    use tempfile::TempDir;

    use super::*;

    fn hash(number: u64) -> HashPart {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&(number as u32).to_le_bytes());
        bytes[4..12].copy_from_slice(&number.to_le_bytes());
        HashPart::from_bytes(bytes)
    }

    fn narinfo(number: u64) -> String {
        format!("{}.narinfo", hash(number))
    }

    fn digest(number: u64) -> NameDigest {
        NameDigest::of_narinfo(&hash(number))
    }

    fn directory() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(NARS)).unwrap();
        root
    }

    /// `None` on file systems that note no names.
    fn listed(root: &TempDir) -> Option<DirectoryNames> {
        DirectoryNames::list(root.path(), 1000).unwrap()
    }

    #[test]
    fn a_name_is_known_however_it_came() {
        let root = directory();
        let at = |name: &str| root.path().join(name);
        fs::write(at(&narinfo(1)), "").unwrap();
        fs::write(at("nar/1.nar"), "").unwrap();
        let Some(names) = listed(&root) else { return };
        assert_eq!(names.lacks(digest(1)), Some(false));
        assert_eq!(names.lacks(NameDigest::of_key("nar/1.nar").unwrap()), Some(false));
        for number in 2..9 {
            assert_eq!(names.lacks(digest(number)), Some(true));
        }
        fs::write(at(&narinfo(2)), "").unwrap();
        fs::write(at("staged#1"), "").unwrap();
        fs::rename(at("staged#1"), at(&narinfo(3))).unwrap();
        fs::hard_link(at(&narinfo(3)), at(&narinfo(4))).unwrap();
        symlink("nowhere", at(&narinfo(5))).unwrap();
        fs::create_dir(at(&narinfo(6))).unwrap();
        fs::write(at("nar/2.nar"), "").unwrap();
        for number in 2..7 {
            assert_eq!(names.lacks(digest(number)), Some(false), "{number}");
        }
        assert_eq!(names.lacks(NameDigest::of_key("nar/2.nar").unwrap()), Some(false));
        // A file that is being written has a name for itself. Clients ask for no other names.
        fs::write(at(&format!("{}#1", narinfo(7))), "").unwrap();
        fs::write(at("nar/3.nar#1"), "").unwrap();
        assert_eq!(names.lacks(digest(7)), Some(true));
        assert_eq!(names.lacks(NameDigest::of_key("nar/3.nar").unwrap()), Some(true));
        assert!(NameDigest::of_key("log/x").is_none() && NameDigest::of_key("x").is_none());
        // A removed name may come back.
        fs::remove_file(at(&narinfo(2))).unwrap();
        assert_eq!(names.lacks(digest(2)), Some(false));
    }

    #[test]
    fn a_file_without_a_name_is_known_when_it_gets_one() {
        let root = directory();
        let Some(names) = listed(&root) else { return };
        let flags = OFlags::TMPFILE | OFlags::WRONLY;
        let Ok(file) = rustix::fs::open(root.path(), flags, Mode::from_raw_mode(0o666)) else {
            return;
        };
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = rustix::fs::AtFlags::SYMLINK_FOLLOW;
        assert_eq!(names.lacks(digest(1)), Some(true));
        rustix::fs::linkat(CWD, unnamed, CWD, root.path().join(narinfo(1)), flags).unwrap();
        assert_eq!(names.lacks(digest(1)), Some(false));
    }

    #[test]
    fn nothing_is_known_of_a_directory_that_is_another_one_or_too_large() {
        let swapped = directory();
        let Some(names) = listed(&swapped) else { return };
        let nars = swapped.path().join(NARS);
        fs::rename(&nars, swapped.path().join("old")).unwrap();
        fs::create_dir(&nars).unwrap();
        assert_eq!((names.lacks(digest(1)), names.is_complete()), (None, false));

        let removed = directory();
        let names = listed(&removed).unwrap();
        fs::remove_dir(removed.path().join(NARS)).unwrap();
        assert_eq!(names.lacks(digest(1)), None);

        let large = directory();
        let names = DirectoryNames::list(large.path(), 2).unwrap().unwrap();
        for number in 1..4 {
            assert_eq!(names.lacks(digest(9)), Some(true));
            fs::write(large.path().join(narinfo(number)), "").unwrap();
        }
        assert_eq!(names.lacks(digest(9)), None);
        assert!(DirectoryNames::list(large.path(), 2).unwrap().is_none());

        let flat = tempfile::tempdir().unwrap();
        symlink(".", flat.path().join(NARS)).unwrap();
        assert!(listed(&flat).is_none());

        let without_nars = tempfile::tempdir().unwrap();
        assert!(listed(&without_nars).is_none());
    }

    #[test]
    fn notes_that_come_faster_than_they_are_read_are_not_lost_unnoticed() {
        let root = directory();
        let names = DirectoryNames::list(root.path(), 1 << 20).unwrap();
        let Some(names) = names else { return };
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        // More than the kernel keeps (`fs.inotify.max_queued_events`), and more than are read for one question.
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let most: u64 = most.trim().parse().unwrap();
        for number in 0..most.min(20_000) + 10 {
            let name = root.path().join(narinfo(number));
            fs::hard_link(&file, &name).unwrap();
            fs::remove_file(&name).unwrap();
        }
        fs::hard_link(&file, root.path().join(narinfo(1 << 30))).unwrap();
        assert_ne!(names.lacks(digest(1 << 30)), Some(true));
    }

    #[test]
    fn a_name_that_is_there_is_never_missed_by_many_who_ask_at_once() {
        const NAMES: u64 = 2000;
        let root = directory();
        let names = DirectoryNames::list(root.path(), 1 << 20).unwrap();
        let Some(names) = names else { return };
        let (made, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(SeqCst) {
                        let last = made.load(SeqCst);
                        if last > 0 {
                            assert_ne!(names.lacks(digest(last)), Some(true), "{last}");
                        }
                        names.lacks(digest(1 << 31));
                    }
                });
            }
            for number in 1..=NAMES {
                let staged = root.path().join("staged");
                fs::write(&staged, "").unwrap();
                fs::rename(staged, root.path().join(narinfo(number))).unwrap();
                made.store(number, SeqCst);
            }
            is_over.store(true, SeqCst);
        });
        assert!(names.is_complete());
    }
}
