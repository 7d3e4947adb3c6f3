//! Orders that are carried out and not committed yet, in a file beside the index. If their process is killed, the next one that
//! writes to the index carries them out again.
//!
//! The file holds frames. The first one of a transaction is written at its beginning, over older ones. Each has a number, one
//! more than the one before; the index holds the number of the last one whose orders are committed. Only the holder of the write
//! lock of the index writes frames, or carries out their orders.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use rns_formats::{Sha256Digest, Sha256Hasher};

use super::{
    file_beside::{create_for_owner, has_name},
    order_record::OrderRecord,
};

/// Bytes of the file. Orders that would make it longer are committed.
const MAX_REDO_BYTES: usize = 4 << 20;

/// Number of the index, number of the frame and length of its orders; then SHA-256 of these, the orders, and the SHA-256 in the
/// frame before. By that, an older frame behind a new one is known as such, also where numbers come again: after a power loss, or
/// when an older copy of the index took its place.
const FRAME_HEAD_BYTES: usize = 3 * 8 + 32;

/// The index's part of what the log means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RedoState {
    /// A random number of the index: a log beside another index is not its own.
    pub(super) index: i64,
    /// The last frame whose orders are committed.
    pub(super) committed: i64,
}

/// The log beside an index.
pub(super) struct RedoLog {
    index: PathBuf,
    file: Option<File>,
    /// Where the next frame begins.
    end: usize,
    last: RedoState,
    /// Of the last frame of this transaction.
    last_digest: Option<Sha256Digest>,
    /// The next frame, with room for its head.
    frame: Vec<u8>,
}

impl RedoLog {
    /// The log of the index in this file.
    pub(super) fn beside(index: &Path) -> Self {
        Self {
            index: index.to_owned(),
            file: None,
            end: 0,
            last: RedoState::default(),
            last_digest: None,
            frame: vec![0; FRAME_HEAD_BYTES],
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        let mut path = self.index.as_os_str().to_owned();
        path.push("-redo");
        path.into()
    }

    /// A transaction has begun: there is nothing to carry out again.
    pub(super) fn begin(&mut self, state: RedoState) {
        self.last = state;
        self.last_digest = None;
        self.end = 0;
        self.frame.truncate(FRAME_HEAD_BYTES);
    }

    /// The number of the last frame, if one was written in this transaction.
    pub(super) fn written(&self) -> Option<i64> {
        (self.end > 0).then_some(self.last.committed)
    }

    /// Keeps an order for the next frame.
    pub(super) fn note(&mut self, order: &OrderRecord<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.frame, order)?;
        self.frame.push(b'\n');
        Ok(())
    }

    /// Writes the orders that were noted. `false` where the log has no room for them.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        if self.end + self.frame.len() > MAX_REDO_BYTES {
            return Ok(false);
        }
        let state = RedoState { committed: self.last.committed + 1, ..self.last };
        let (head, orders) = self.frame.split_at_mut(FRAME_HEAD_BYTES);
        let (new_head, digest) = frame_head(state, self.last_digest, orders);
        head.copy_from_slice(&new_head);
        if self.file.is_none() {
            self.file = Some(create_for_owner(&self.path(), &self.index)?);
        }
        let Some(file) = &self.file else { return Ok(false) };
        file.write_all_at(&self.frame, self.end as u64)?;
        self.end += self.frame.len();
        self.last = state;
        self.last_digest = Some(digest);
        self.frame.truncate(FRAME_HEAD_BYTES);
        Ok(true)
    }

    /// The frames after this state: their numbers and orders. One that is not whole was not acknowledged.
    pub(super) fn frames_after(&mut self, state: RedoState) -> io::Result<Vec<(i64, Vec<u8>)>> {
        // The next process finds the file that has the name: a log that was removed or moved is none.
        if !self.file.as_ref().is_some_and(|file| has_name(file, &self.path())) {
            self.file = match File::options().read(true).write(true).open(self.path()) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let (mut frames, mut state, mut at, mut digest) = (Vec::new(), state, 0, None);
        loop {
            state.committed += 1;
            let Some(frame) = read_frame(file, at, state, digest)? else { return Ok(frames) };
            let orders = frame.orders;
            digest = Some(frame.digest);
            at += (FRAME_HEAD_BYTES + orders.len()) as u64;
            frames.push((state.committed, orders));
        }
    }
}

/// The head of the frame with this number, and the digest in it.
fn frame_head(
    state: RedoState,
    before: Option<Sha256Digest>,
    orders: &[u8],
) -> (Vec<u8>, Sha256Digest) {
    let length = orders.len() as u64;
    let words = [state.index.to_le_bytes(), state.committed.to_le_bytes(), length.to_le_bytes()];
    let mut head = words.concat();
    let mut hasher = Sha256Hasher::new();
    hasher.update(&head);
    hasher.update(before.as_ref().map_or(&[], |before| before.as_bytes()));
    hasher.update(orders);
    let digest = hasher.finish();
    head.extend_from_slice(digest.as_bytes());
    (head, digest)
}

struct Frame {
    orders: Vec<u8>,
    digest: Sha256Digest,
}

/// The frame with this number behind the one with this digest. `None` if there is another one, or a part of it.
fn read_frame(
    file: &File,
    at: u64,
    state: RedoState,
    before: Option<Sha256Digest>,
) -> io::Result<Option<Frame>> {
    let mut head = [0; FRAME_HEAD_BYTES];
    if !read_whole(file, &mut head, at)? {
        return Ok(None);
    }
    let [index, number, length, ..] = head.as_chunks().0 else { return Ok(None) };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let found =
        RedoState { index: i64::from_le_bytes(*index), committed: i64::from_le_bytes(*number) };
    if found != state || length > MAX_REDO_BYTES {
        return Ok(None);
    }
    let mut orders = vec![0; length];
    let is_whole = read_whole(file, &mut orders, at + FRAME_HEAD_BYTES as u64)?;
    let (right_head, digest) = frame_head(state, before, &orders);
    Ok((is_whole && right_head == head).then_some(Frame { orders, digest }))
}

/// Returns false if the file ends before.
fn read_whole(file: &File, bytes: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rns_cache::Pusher;
    use rns_formats::HashPart;

    use super::{super::order_record::RecordedOrder, *};

    #[test]
    fn a_log_has_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let index = directory.path().join("index.sqlite");
        File::create(&index).unwrap();
        let mut log = RedoLog::beside(&index);
        let pusher = Pusher { name: "x".repeat(MAX_REDO_BYTES / 3), address: None };
        let hash = HashPart::parse("0123456789abcdfghijklmnpqrsvwxyz").unwrap();
        let order = RecordedOrder::end_publish(&hash, Some(&pusher));
        let record = OrderRecord { at: 1, order };
        let state = RedoState { index: 7, committed: 5 };
        log.begin(state);
        for is_written in [true, true, false] {
            log.note(&record).unwrap();
            assert_eq!(log.write().unwrap(), is_written);
        }
        assert_eq!(log.written(), Some(7));
        let numbers: Vec<_> = log.frames_after(state).unwrap().iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [6, 7]);
    }
}
