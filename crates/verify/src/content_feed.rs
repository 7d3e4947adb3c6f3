//! A content hash of a file that arrives in chunks.

use std::{io, sync::Arc};

use bytes::Bytes;
use rns_formats::{Compression, Hash};
use tokio::{
    sync::mpsc::{Sender, channel},
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    ContentHash, DecoderMemory, NarRejection,
    content_hash::hash_contents,
    pipe::{ChunkReader, MAX_PIPE_CHUNKS},
};

/// The end of a hash's computation that takes chunks.
pub struct ContentFeed {
    chunks: Sender<Bytes>,
    hashing: JoinHandle<Result<Vec<Hash>, NarRejection>>,
}

impl ContentFeed {
    /// Starts the hash of one file. To be called where tasks can be spawned.
    #[must_use]
    pub fn start(
        compression: Compression,
        wanted: ContentHash,
        memory: &Arc<DecoderMemory>,
    ) -> Self {
        let (chunks, receiver) = channel(MAX_PIPE_CHUNKS);
        let memory = Arc::clone(memory);
        let hashing = spawn_blocking(move || {
            hash_contents(ChunkReader::new(receiver), compression, wanted, &memory)
        });
        Self { chunks, hashing }
    }

    /// Hands over the next bytes; waits while the hash is behind. Whether more is wanted: where the NAR is refused
    /// already, [`Self::finish`] says why.
    pub async fn push(&mut self, chunk: Bytes) -> bool {
        chunk.is_empty() || self.chunks.send(chunk).await.is_ok()
    }

    /// Waits for the hash after the last bytes, in every form that clients have written.
    ///
    /// # Errors
    /// The reason for which the NAR is refused.
    pub async fn finish(self) -> Result<Vec<Hash>, NarRejection> {
        let Self { chunks, hashing } = self;
        // The marker tells the end of the file from one that was given up.
        _ = chunks.send(Bytes::new()).await;
        drop(chunks);
        hashing.await.unwrap_or_else(|error| Err(NarRejection::Input(io::Error::other(error))))
    }
}
