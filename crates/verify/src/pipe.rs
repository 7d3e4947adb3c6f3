//! Feeds a check that runs on the blocking pool from an upload that arrives in chunks.
//!
//! The NAR is decompressed and hashed on one thread and the file hashed on another, so that an upload takes as long as
//! the slower of the two rather than both.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use rns_cache::VerifiedNar;
use rns_formats::{Compression, Sha256Digest, Sha256Hasher};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::{JoinHandle, spawn_blocking},
};

use crate::{DecoderMemory, NarFacts, NarRejection, check_nar, check_nar_in_memory};

/// Chunks on their way to each of the two threads: the memory of an upload is twice this many chunks.
pub(crate) const MAX_PIPE_CHUNKS: usize = 8;

/// The hashes and lengths of a file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// SHA-256 of the file as it was sent.
    pub file_hash: Sha256Digest,
    /// Its length in bytes.
    pub file_size: u64,
}

/// The end of an upload's check that takes chunks. Dropped before [`Self::finish`], it ends the check.
pub struct NarFeed {
    to_nar: Sender<Bytes>,
    to_file: Sender<Bytes>,
    nar: JoinHandle<Result<NarFacts, NarRejection>>,
    file: JoinHandle<FileFacts>,
}

/// A finished check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarCheck {
    /// Of the file.
    pub file: FileFacts,
    /// Of the NAR inside.
    pub nar: NarFacts,
}

impl NarCheck {
    /// The same, as a pusher's cache is told.
    #[must_use]
    pub const fn verified(&self) -> VerifiedNar {
        VerifiedNar {
            nar_hash: self.nar.nar_hash,
            nar_size: self.nar.nar_size,
            file_hash: self.file.file_hash,
            file_size: self.file.file_size,
        }
    }
}

impl NarFeed {
    /// Starts the check of one file.
    ///
    /// To be called where tasks can be spawned.
    #[must_use]
    pub fn start(compression: Compression, max_nar_size: u64, memory: Arc<DecoderMemory>) -> Self {
        let (to_nar, nar_chunks) = channel(MAX_PIPE_CHUNKS);
        let (to_file, file_chunks) = channel(MAX_PIPE_CHUNKS);
        let nar = spawn_blocking(move || {
            check_nar(ChunkReader::new(nar_chunks), compression, max_nar_size, &memory)
        });
        let file = spawn_blocking(move || hash_file(file_chunks));
        Self { to_nar, to_file, nar, file }
    }

    /// Hands over the next bytes; waits while the check is behind.
    ///
    /// # Errors
    /// The reason for which the NAR is refused already, so that the rest need not be sent.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), NarRejection> {
        if chunk.is_empty() {
            return Ok(());
        }
        let file = self.to_file.send(chunk.clone()).await;
        if self.to_nar.send(chunk).await.is_err() || file.is_err() {
            return Err(self.refusal().await);
        }
        Ok(())
    }

    /// Waits for the result of the check, after the last bytes.
    ///
    /// # Errors
    /// The reason for which the NAR is refused.
    pub async fn finish(self) -> Result<NarCheck, NarRejection> {
        // The marker tells the end of the file from an upload that was given up.
        let Self { to_nar, to_file, nar, file } = self;
        _ = to_nar.send(Bytes::new()).await;
        drop((to_nar, to_file));
        let nar = nar.await.map_err(|error| NarRejection::Input(io::Error::other(error)))??;
        let file = file.await.map_err(|error| NarRejection::Input(io::Error::other(error)))?;
        Ok(NarCheck { file, nar })
    }

    async fn refusal(&mut self) -> NarRejection {
        match (&mut self.nar).await {
            Ok(Err(rejection)) => rejection,
            // It ended well and more bytes came: something follows the NAR.
            Ok(Ok(_)) => NarRejection::Decompression(io::Error::new(
                io::ErrorKind::InvalidData,
                "something follows the NAR",
            )),
            Err(error) => NarRejection::Input(io::Error::other(error)),
        }
    }
}

/// Checks a file of which all bytes are there. Blocks.
///
/// # Errors
/// The reason for which the NAR is refused.
pub(crate) fn check_whole(
    bytes: &[u8],
    compression: Compression,
    max_nar_size: u64,
    memory: &Arc<DecoderMemory>,
) -> Result<NarCheck, NarRejection> {
    let nar = check_nar_in_memory(bytes, compression, max_nar_size, memory)?;
    let file = FileFacts { file_hash: Sha256Digest::of(bytes), file_size: bytes.len() as u64 };
    Ok(NarCheck { file, nar })
}

fn hash_file(mut chunks: Receiver<Bytes>) -> FileFacts {
    let (mut hasher, mut file_size) = (Sha256Hasher::new(), 0);
    while let Some(chunk) = chunks.blocking_recv() {
        hasher.update(&chunk);
        file_size += chunk.len() as u64;
    }
    FileFacts { file_hash: hasher.finish(), file_size }
}

/// Reads the chunks of a channel. An empty chunk is the end; a closed channel without it is an upload that was given
/// up.
pub(crate) struct ChunkReader {
    chunks: Receiver<Bytes>,
    current: Bytes,
    is_end: bool,
}

impl ChunkReader {
    pub(crate) const fn new(chunks: Receiver<Bytes>) -> Self {
        Self { chunks, current: Bytes::new(), is_end: false }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_end {
            match self.chunks.blocking_recv() {
                Some(chunk) if chunk.is_empty() => self.is_end = true,
                Some(chunk) => self.current = chunk,
                // Not an unexpected end, which the reader of NARs would take for a NAR that was cut.
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let count = self.current.len().min(buf.len());
        self.current.copy_to_slice(buf.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_that_is_given_up_is_no_short_nar() {
        let mut feed = NarFeed::start(Compression::None, 1 << 20, DecoderMemory::new(1 << 20));
        feed.push(Bytes::from_static(b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0")).await.unwrap();
        let NarFeed { to_nar, to_file, nar, file } = feed;
        drop((to_nar, to_file));
        let refused = nar.await.unwrap().unwrap_err();
        assert!(matches!(refused, NarRejection::Input(_)), "{refused}");
        assert_eq!(file.await.unwrap().file_size, 24);
    }

    #[tokio::test]
    async fn the_sender_learns_early_that_the_rest_is_not_wanted() {
        let mut feed = NarFeed::start(Compression::None, 1 << 20, DecoderMemory::new(1 << 20));
        let refused = loop {
            if let Err(refused) = feed.push(Bytes::from_static(&[7; 4096])).await {
                break refused;
            }
        };
        assert!(matches!(refused, NarRejection::NotCanonical(_)), "{refused}");
    }
}
