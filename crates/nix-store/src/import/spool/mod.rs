//! NARs that were uploaded and verified, and wait for their narinfo.
//!
//! Clients send NARs long before their narinfos, so they must outlive a restart: the files are all there is to know, and
//! are read at the start. An imported NAR stays for a little while, since two paths may have the same NAR.

mod contents;
mod file_name;
mod files;
mod incoming;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rns_cache::{CacheError, HumanBytes, PublishError, VerifiedNar};
use rns_formats::NarName;
use rustix::fs::{FlockOperation, flock};

use self::files::{INCOMING_PREFIX, SpoolFiles, SpoolTable, Spooled};
pub(super) use self::incoming::{NotSpooled, SpoolWriter};

/// How long a NAR stays after its path was imported.
const IMPORTED_GRACE: Duration = Duration::from_secs(600);

/// The time of the last use is written to the file when it has moved on by this much.
const SPOOLED_TOUCH_INTERVAL: Duration = Duration::from_secs(600);

/// A directory of NARs, of one server. Clones share it.
#[derive(Clone, Debug)]
pub struct Spool {
    shared: Arc<SpoolFiles>,
}

impl Spool {
    /// Opens the directory, which is made when it is not there. Files that another server left half-written are removed.
    /// Blocks.
    ///
    /// # Errors
    /// When it cannot be used, or another server uses it.
    pub fn open(directory: PathBuf, max_bytes: u64, max_age: Duration) -> io::Result<Self> {
        // A waiting NAR may be confidential.
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let lock: OwnedFd = File::create(directory.join("lock"))?.into();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => io::Error::other("another server uses it"),
            other => other.into(),
        })?;
        let mut files = SpoolTable::default();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let metadata = entry.metadata()?;
            match file_name::parse(name) {
                Some((name, nar)) if metadata.len() == nar.file_size => {
                    let used = metadata.modified()?;
                    files.bytes += nar.file_size;
                    let spooled = Spooled { nar, used, touched: used, is_imported: false };
                    files.by_name.insert(name, spooled);
                }
                // Cut off by a power loss.
                Some(_) => fs::remove_file(entry.path())?,
                None if name.starts_with(INCOMING_PREFIX) => fs::remove_file(entry.path())?,
                None => {}
            }
        }
        let shared = SpoolFiles {
            directory,
            max_bytes: AtomicU64::default(),
            max_age: AtomicU64::default(),
            files: Mutex::new(files),
            lock,
        };
        let spool = Self { shared: Arc::new(shared) };
        spool.limit(max_bytes, max_age);
        Ok(spool)
    }

    /// Changes how much waits here, and for how long, also for NARs that wait already.
    pub(super) fn limit(&self, max_bytes: u64, max_age: Duration) {
        let max_age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        self.shared.max_bytes.store(max_bytes, Ordering::Relaxed);
        self.shared.max_age.store(max_age, Ordering::Relaxed);
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The most that waits, in bytes.
    pub(super) fn max_bytes(&self) -> u64 {
        self.shared.max_bytes.load(Ordering::Relaxed)
    }

    /// Begins to take a NAR, of so many bytes where that is known.
    ///
    /// # Errors
    /// When there is no room, or no file can be made.
    pub(super) async fn begin(&self, length: Option<u64>) -> Result<SpoolWriter, NotSpooled> {
        SpoolWriter::begin(Arc::clone(&self.shared), length).await
    }

    /// The answer to a pusher whose NAR was not taken; the operator is told the rest.
    pub(super) fn refused(&self, error: NotSpooled) -> PublishError {
        match error {
            NotSpooled::TooMuch => {
                tracing::error!(
                    "an upload was refused: NARs that wait for their narinfos in {} take {}; \
                     raise upload.spool_size, or wait until abandoned ones go after upload.spool_age",
                    self.directory().display(),
                    HumanBytes(self.max_bytes())
                );
                PublishError::Full
            }
            NotSpooled::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
                PublishError::Full
            }
            NotSpooled::Io(error) => CacheError::io("write", self.directory())(error).into(),
        }
    }

    /// The record of a NAR that waits, and will for its whole time from now on. Blocks for a moment.
    pub(super) fn renew(&self, name: &NarName) -> Option<VerifiedNar> {
        let now = SystemTime::now();
        let (nar, is_due) = {
            let mut files = self.shared.files();
            let spooled = files.by_name.get_mut(name)?;
            spooled.used = now;
            spooled.is_imported = false;
            let is_due =
                now.duration_since(spooled.touched).is_ok_and(|age| age > SPOOLED_TOUCH_INTERVAL);
            if is_due {
                spooled.touched = now;
            }
            (spooled.nar, is_due)
        };
        if is_due {
            let touched =
                File::open(self.shared.path(name, &nar)).and_then(|file| file.set_modified(now));
            // It costs only that the file may go too early after a restart.
            _ = touched;
        }
        Some(nar)
    }

    /// The record of a NAR that waits.
    pub(super) fn get(&self, name: &NarName) -> Option<VerifiedNar> {
        self.shared.files().by_name.get(name).map(|spooled| spooled.nar)
    }

    /// The file of a NAR. `None` when it is gone. Blocks.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open_file(&self, name: &NarName) -> io::Result<Option<(File, PathBuf)>> {
        let Some(nar) = self.get(name) else { return Ok(None) };
        let path = self.shared.path(name, &nar);
        match File::open(&path) {
            Ok(file) => Ok(Some((file, path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut files = self.shared.files();
                // It may have come again since.
                match File::open(&path) {
                    Ok(file) => Ok(Some((file, path))),
                    Err(_) => {
                        self.shared.take_out(&mut files, name);
                        Ok(None)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Notes that the path of a NAR is valid now.
    pub(super) fn imported(&self, name: &NarName) {
        if let Some(spooled) = self.shared.files().by_name.get_mut(name) {
            spooled.is_imported = true;
            spooled.used = SystemTime::now();
        }
    }

    /// Removes a NAR whose file has changed. Blocks.
    pub(super) fn remove(&self, name: &NarName) {
        let leaving = self.shared.take_out(&mut self.shared.files(), name);
        if let Some(leaving) = leaving {
            _ = fs::remove_file(leaving);
        }
    }

    /// Removes imported NARs, and those that no narinfo came for in time; how many of the latter. Blocks.
    pub(super) fn sweep(&self, now: SystemTime) -> usize {
        let over = self.over(now);
        over.iter().filter(|name| self.remove_if_over(name, now) == Some(Waited::InVain)).count()
    }

    /// The NARs whose time is over.
    fn over(&self, now: SystemTime) -> Vec<NarName> {
        let files = self.shared.files();
        let over = files.by_name.iter().filter(|(_, spooled)| self.is_over(spooled, now));
        over.map(|(name, _)| *name).collect()
    }

    fn is_over(&self, spooled: &Spooled, now: SystemTime) -> bool {
        let waited = now.duration_since(spooled.used).unwrap_or_default();
        let max_age = Duration::from_millis(self.shared.max_age.load(Ordering::Relaxed));
        waited > max_age || (spooled.is_imported && waited > IMPORTED_GRACE)
    }

    /// Removes a NAR unless a client was told since that it waits. `None`: it stays.
    fn remove_if_over(&self, name: &NarName, now: SystemTime) -> Option<Waited> {
        let (waited, leaving) = {
            let mut files = self.shared.files();
            let spooled = files.by_name.get(name).filter(|spooled| self.is_over(spooled, now))?;
            let waited = if spooled.is_imported { Waited::Imported } else { Waited::InVain };
            (waited, self.shared.take_out(&mut files, name))
        };
        if let Some(leaving) = leaving {
            _ = fs::remove_file(leaving);
        }
        Some(waited)
    }
}

/// How the waiting of a removed NAR ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Imported,
    InVain,
}
