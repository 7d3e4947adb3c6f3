//! Buffers that carry a NAR from the files to the socket, used again and again.
//!
//! A buffer is zeroed once, when it is made, and goes back to the pool when the last reference to its
//! bytes is dropped: the event loop's thread frees it, a thread of the blocking pool takes it.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// Room of one buffer: large enough that the hand-over between threads costs little, small enough to
/// stay in the processor's cache on its way to the socket.
pub const BUFFER_BYTES: usize = 256 << 10;

/// Buffers kept for the next reader; more are given back to the system.
const MAX_POOLED: usize = 64;

static POOL: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer of [`BUFFER_BYTES`] and how much of it is filled.
pub struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    /// An empty buffer.
    #[must_use]
    pub fn take() -> Self {
        let pooled = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { bytes: pooled.unwrap_or_else(|| vec![0; BUFFER_BYTES].into()), filled: 0 }
    }

    /// Lets `fill` write into the room that is left and say how much it wrote.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn fill_with<E>(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        let most = room.len();
        self.filled += fill(room)?.min(most);
        Ok(())
    }

    /// The same with the bytes that need no waiting; returns how many these were.
    pub fn fill_now(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) -> usize {
        let before = self.filled;
        _ = self.fill_with(|room| Ok::<_, Infallible>(fill(room)));
        self.filled - before
    }

    /// The filled part as bytes that bring the buffer back when they are dropped. Few bytes are copied out, so
    /// that a slow client does not keep a whole buffer.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        let bytes = self.as_ref();
        if bytes.len() < BUFFER_BYTES / 4 {
            Bytes::copy_from_slice(bytes)
        } else {
            Bytes::from_owner(self)
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < MAX_POOLED {
            pool.push(bytes);
        }
    }
}
