//! Reading a spooled NAR, decompressed.

use std::{io, sync::Arc};

use bytes::Bytes;
use rns_cache::CacheError;
use rns_formats::{Hash, NarName};
use rns_verify::{ContentHash, Decoder, DecoderMemory, NarRejection, hash_contents};
use tokio::{sync::mpsc::channel, task::spawn_blocking};

use super::Spool;
use crate::daemon::ContentSource;

/// Bytes of a NAR that go to the daemon at a time.
const FRAME_BYTES: usize = 256 << 10;

/// Frames that wait for the daemon.
const MAX_WAITING_FRAMES: usize = 4;

impl Spool {
    /// The NAR for the daemon. `None` when it is gone.
    ///
    /// # Errors
    /// When its file cannot be opened; errors while reading come with the frames.
    pub(in crate::import) async fn contents(
        &self,
        name: NarName,
        memory: &Arc<DecoderMemory>,
    ) -> Result<Option<ContentSource>, CacheError> {
        let spool = self.clone();
        let opened = spawn_blocking(move || spool.open_file(&name));
        let opened = opened.await.map_err(|_| CacheError::ShuttingDown)?;
        let opened = opened.map_err(CacheError::io("open", self.directory()))?;
        let Some((file, _)) = opened else { return Ok(None) };
        let (sender, source) = channel(MAX_WAITING_FRAMES);
        let memory = Arc::clone(memory);
        spawn_blocking(move || {
            let mut decoder = match Decoder::of_nar(file, name.compression, &memory) {
                Ok(decoder) => decoder,
                Err(error) => {
                    _ = sender.blocking_send(Err(io::Error::other(error)));
                    return;
                }
            };
            loop {
                let frame = next_frame(&mut decoder);
                let is_last = !matches!(&frame, Ok(frame) if !frame.is_empty());
                // The daemon has ended early where it refuses the path.
                if sender.blocking_send(frame).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Some(source))
    }

    /// A content hash of the NAR, in every form that clients have written. `None` when it is gone.
    ///
    /// # Errors
    /// When its file cannot be opened; the inner error says why it has no such hash.
    pub(in crate::import) async fn hash(
        &self,
        name: NarName,
        wanted: ContentHash,
        memory: &Arc<DecoderMemory>,
    ) -> Result<Option<Result<Vec<Hash>, NarRejection>>, CacheError> {
        let (spool, memory) = (self.clone(), Arc::clone(memory));
        let hashing = spawn_blocking(move || {
            let found = spool.open_file(&name)?;
            Ok(found.map(|(file, _)| hash_contents(file, name.compression, wanted, &memory)))
        });
        let hashed: io::Result<_> = hashing.await.map_err(|_| CacheError::ShuttingDown)?;
        hashed.map_err(CacheError::io("open", self.directory()))
    }
}

/// The next bytes of a NAR; none at its end.
fn next_frame(decoder: &mut impl io::Read) -> io::Result<Bytes> {
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    io::Read::read_to_end(&mut io::Read::take(decoder, FRAME_BYTES as u64), &mut frame)?;
    Ok(frame.into())
}
