//! The files of a spool, their total size, and which may go.

use std::{
    collections::HashMap,
    fs,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use rns_cache::VerifiedNar;
use rns_formats::NarName;

use super::file_name;

/// The beginning of the names of files that are not NARs of the spool yet, or any more.
pub(super) const INCOMING_PREFIX: &str = "incoming-";

/// Distinguishes such files of this process.
static INCOMING_NUMBER: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct SpoolFiles {
    pub(super) directory: PathBuf,
    /// The most that waits, in bytes.
    pub(super) max_bytes: AtomicU64,
    /// How long a NAR waits, in milliseconds.
    pub(super) max_age: AtomicU64,
    pub(super) files: Mutex<SpoolTable>,
    /// Held while this server lives.
    #[expect(dead_code, reason = "it is given back when dropped")]
    pub(super) lock: OwnedFd,
}

#[derive(Debug, Default)]
pub(super) struct SpoolTable {
    pub(super) by_name: HashMap<NarName, Spooled>,
    /// The total size of finished files, in bytes.
    pub(super) bytes: u64,
    /// The size that files take, or will, that are still coming in.
    pub(super) reserved: u64,
}

#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) nar: VerifiedNar,
    pub(super) used: SystemTime,
    pub(super) touched: SystemTime,
    pub(super) is_imported: bool,
}

impl SpoolFiles {
    pub(super) fn files(&self) -> MutexGuard<'_, SpoolTable> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self, name: &NarName, nar: &VerifiedNar) -> PathBuf {
        self.directory.join(file_name::print(name, nar))
    }

    /// A name that no file has.
    pub(super) fn fresh_path(&self) -> PathBuf {
        self.directory
            .join(format!("{INCOMING_PREFIX}{}", INCOMING_NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// Takes a NAR out of the spool, and returns the file that the caller removes without the lock. It has lost its name
    /// here: the same NAR may come again before it is removed, and that file stays.
    pub(super) fn take_out(&self, files: &mut SpoolTable, name: &NarName) -> Option<PathBuf> {
        let spooled = files.by_name.remove(name)?;
        files.bytes -= spooled.nar.file_size;
        let leaving = self.fresh_path();
        fs::rename(self.path(name, &spooled.nar), &leaving).ok()?;
        Some(leaving)
    }

    /// Makes room for so many bytes that come in; whether there is some. Imported NARs go, the oldest first. Blocks.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let mut leaving = Vec::new();
        {
            let mut files = self.files();
            let wanted = (files.bytes + files.reserved).saturating_add(bytes);
            let mut excess = wanted.saturating_sub(self.max_bytes.load(Ordering::Relaxed));
            if excess > 0 {
                let entries = files.by_name.iter().filter(|(_, spooled)| spooled.is_imported);
                let mut imported: Vec<_> = entries
                    .map(|(name, spooled)| (spooled.used, *name, spooled.nar.file_size))
                    .collect();
                imported.sort_unstable_by_key(|(used, ..)| *used);
                if imported.iter().map(|(.., size)| size).sum::<u64>() < excess {
                    return false;
                }
                for (_, name, size) in imported {
                    if excess == 0 {
                        break;
                    }
                    excess = excess.saturating_sub(size);
                    leaving.extend(self.take_out(&mut files, &name));
                }
            }
            files.reserved += bytes;
        }
        for path in leaving {
            _ = fs::remove_file(path);
        }
        true
    }
}
