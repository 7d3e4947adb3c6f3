//! A hash that another thread computes: it costs about as much time as compressing does.

use std::{
    io,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use rns_formats::{Sha256Digest, Sha256Hasher};

/// Portions that may wait to be hashed: enough that neither side waits for the other at each one.
const WAITING: usize = 4;

pub(super) struct Hashing {
    portions: SyncSender<Bytes>,
    thread: JoinHandle<Sha256Digest>,
}

impl Hashing {
    /// Starts the thread, which ends when this is dropped.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(super) fn start() -> io::Result<Self> {
        let (portions, arriving) = sync_channel::<Bytes>(WAITING);
        let hash = move || {
            let mut hasher = Sha256Hasher::new();
            while let Ok(bytes) = arriving.recv() {
                hasher.update(&bytes);
            }
            hasher.finish()
        };
        let thread = thread::Builder::new().name("hash".to_owned()).spawn(hash)?;
        Ok(Self { portions, thread })
    }

    /// The next bytes.
    pub(super) fn push(&self, bytes: Bytes) {
        // The thread takes portions until the end; if it has died, `finish` knows.
        _ = self.portions.send(bytes);
    }

    /// The hash of all; `None` if the thread has died.
    pub(super) fn finish(self) -> Option<Sha256Digest> {
        drop(self.portions);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_hashed_in_their_order() {
        let hashing = Hashing::start().unwrap();
        let mut all = Vec::new();
        for n in 0..100_u8 {
            let portion = vec![n; 1000 + usize::from(n)];
            all.extend_from_slice(&portion);
            hashing.push(portion.into());
        }
        assert_eq!(hashing.finish(), Some(Sha256Digest::of(&all)));
    }
}
