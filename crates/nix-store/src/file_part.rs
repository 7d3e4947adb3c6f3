//! Part of a file that is sent by the kernel, without being read by this program.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{fs::sendfile, io::Errno};

use crate::page_cache::is_resident;

/// Set when the kernel, or a filter of system calls, has refused to send files.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Part of a file. The kernel had it in memory when this was made: sending it does not wait for a disk.
#[derive(Debug)]
pub struct FilePart {
    file: Arc<OwnedFd>,
    offset: u64,
    left: usize,
    is_last: bool,
}

impl FilePart {
    /// So many bytes are sent in one go; other connections have their turn after that.
    pub(crate) const MOST: usize = 1 << 20;

    /// The first bytes of `range`. `None` when they are not all in memory, or when that cannot be known.
    pub(crate) fn resident(file: &Arc<OwnedFd>, range: &Range<u64>) -> Option<Self> {
        let len = range.end.saturating_sub(range.start);
        let left = usize::try_from(len).map_or(Self::MOST, |len| len.min(Self::MOST));
        let is_last = left as u64 == len;
        let part = Self { file: Arc::clone(file), offset: range.start, left, is_last };
        let is_sent = left > 0 && !REFUSED.load(Ordering::Relaxed);
        (is_sent && is_resident(&part.file, part.offset, left as u64)).then_some(part)
    }

    /// Bytes left to send.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// Whether nothing of the file will be sent after this.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.is_last
    }

    /// Sends as much as the socket takes, and says how much that was; 0 means that the file became shorter.
    ///
    /// # Errors
    /// Those of `sendfile(2)`: `WouldBlock` when the socket takes nothing.
    pub fn send_to(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let sent = sendfile(socket, &self.file, Some(&mut self.offset), self.left);
        let sent = sent.inspect_err(|error| {
            // The next file is read.
            let is_refused = matches!(*error, Errno::INVAL | Errno::NOSYS | Errno::PERM);
            REFUSED.fetch_or(is_refused, Ordering::Relaxed);
        })?;
        self.left = self.left.saturating_sub(sent);
        Ok(sent)
    }
}
