//! Whether the state of the database that was seen last is still the present one: one system call, and no lock that threads
//! could wait for.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::{
    fs::{fstat, stat},
    time::{ClockId, clock_gettime},
};

use super::open::LiveReaders;

/// How long files are taken to have kept their names while a connection is open: commits are seen at once, another
/// database in place of this one after this time.
const NAME_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How long a state counts as recent after it was found to be the present one.
const RECENT_INTERVAL: Duration = Duration::from_millis(10);

/// Both copies of the header of the index.
pub(super) const INDEX_HEADER_BYTES: usize = 96;

/// A state with a log, for which the header of its index stands: no commit passes that by.
pub(super) struct WalIndex {
    pub(super) generation: u64,
    database: (PathBuf, Arc<File>),
    index: (PathBuf, Arc<File>),
    header: [u8; INDEX_HEADER_BYTES],
    live: LiveReaders,
    /// When both files were last found to have their names, in milliseconds of [`now`], and which connections there
    /// were then; 0 for never.
    named: AtomicU64,
    /// When it was last found that nothing had changed, in milliseconds of [`now`]; 0 for never.
    seen: AtomicU64,
}

impl WalIndex {
    pub(super) fn new(
        generation: u64,
        database: (PathBuf, Arc<File>),
        index: (PathBuf, Arc<File>),
        header: [u8; INDEX_HEADER_BYTES],
        live: LiveReaders,
    ) -> Self {
        let [named, seen] = [const { AtomicU64::new(0) }; 2];
        Self { generation, database, index, header, live, named, seen }
    }

    /// Whether nothing has changed.
    ///
    /// As long as there is a connection, only a person can put other files in their place, and that may be noticed a little
    /// later.
    pub(super) fn is_still(&self) -> bool {
        let (now, mut header) = (now(), [0; INDEX_HEADER_BYTES]);
        let is_still = self.have_names()
            && self.index.1.read_exact_at(&mut header, 0).is_ok()
            && header == self.header;
        if is_still {
            self.seen.store(now, Ordering::Relaxed);
        }
        is_still
    }

    /// Whether nothing had changed a moment ago. Mostly without a system call.
    pub(super) fn was_still_lately(&self) -> bool {
        let since = now().saturating_sub(self.seen.load(Ordering::Relaxed));
        u128::from(since) < RECENT_INTERVAL.as_millis() || self.is_still()
    }

    fn have_names(&self) -> bool {
        let with = self.live.any();
        let now = now();
        // Few bits of a number that changes with each connection tell one from the next within this time.
        let moment = |at: u64, with: u64| (with << 48) | (at & ((1 << 48) - 1));
        if let Some(with) = with {
            let named = self.named.load(Ordering::Acquire);
            let since =
                now.saturating_sub(u64::try_from(NAME_CHECK_INTERVAL.as_millis()).unwrap_or(0));
            if named != 0 && named >= moment(since, with) && named <= moment(now, with) {
                return true;
            }
        }
        let named = has_its_name(&self.database) && has_its_name(&self.index);
        self.named.store(
            if named { with.map_or(0, |with| moment(now, with)) } else { 0 },
            Ordering::Release,
        );
        named
    }
}

/// Milliseconds of a clock that goes on by some at a time, and costs less to read than exact ones.
fn now() -> u64 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    let milliseconds = time.tv_sec * 1000 + time.tv_nsec / 1_000_000;
    u64::try_from(milliseconds).unwrap_or_default()
}

/// Whether a name still leads to the file: it was neither deleted nor moved, nor replaced by another one.
fn has_its_name((name, file): &(PathBuf, Arc<File>)) -> bool {
    let named = stat(name.as_path()).map(|stat| (stat.st_dev, stat.st_ino));
    let opened = fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
    named.is_ok() && named == opened
}
