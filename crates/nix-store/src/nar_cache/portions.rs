//! The bytes of a NAR in portions that do not depend on the chunks that it is read in: encoders
//! may make other bytes of other portions.

use bytes::{Bytes, BytesMut};
use rns_cache::{BlobBody, CacheError, Chunks as _};

use crate::nar::BUFFER_BYTES;

/// A NAR that is read from its beginning to its end.
pub(super) struct Portions {
    body: BlobBody,
    /// Read, and not handed out yet.
    pending: BytesMut,
    left: u64,
}

/// Some bytes of a NAR: 256 KiB, or fewer where they are the last.
pub(super) struct Portion {
    pub(super) bytes: Bytes,
    pub(super) is_last: bool,
}

impl Portions {
    /// `body` is all of a NAR of `size` bytes.
    pub(super) fn new(body: BlobBody, size: u64) -> Self {
        Self { body, pending: BytesMut::new(), left: size }
    }

    /// The next portion, after which there are more unless it is the last. The last one is handed out only when the NAR is
    /// known to be right.
    ///
    /// # Errors
    /// Those of reading the NAR.
    pub(super) async fn next(&mut self) -> Result<Portion, CacheError> {
        let len = usize::try_from(self.left).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
        self.left -= len as u64;
        let bytes = self.take(len).await?;
        Ok(Portion { bytes, is_last: self.left == 0 })
    }

    async fn take(&mut self, len: usize) -> Result<Bytes, CacheError> {
        let chunks = match &mut self.body {
            BlobBody::Whole(bytes) if bytes.len() >= len => return Ok(bytes.split_to(len)),
            BlobBody::Whole(_) => return Err(too_short()),
            BlobBody::Stream(chunks) => chunks,
        };
        while self.pending.len() < len {
            let chunk = chunks.next_chunk().await.ok_or_else(too_short)??;
            if self.pending.is_empty() && chunk.len() == len {
                return Ok(chunk);
            }
            self.pending.extend_from_slice(&chunk);
        }
        Ok(self.pending.split_to(len).freeze())
    }
}

fn too_short() -> CacheError {
    CacheError::Invalid {
        object: "a NAR".to_owned(),
        why: "it ended before the length that was announced".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn portions_are_the_same_whatever_the_chunks_are() {
        let nar: Vec<u8> = (0..3 * BUFFER_BYTES + 77).map(|i| (i / 3 % 251) as u8).collect();
        for len in [1000, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, nar.len()] {
            let chunks: Vec<_> = nar.chunks(len).map(Bytes::copy_from_slice).collect();
            let body = BlobBody::Stream(Box::new(chunks.into_iter()));
            let mut portions = Portions::new(body, nar.len() as u64);
            for (portion, rest) in nar.chunks(BUFFER_BYTES).zip((0..4).rev()) {
                let next = portions.next().await.unwrap();
                assert!(next.bytes == portion, "{len}");
                assert_eq!(next.is_last, rest == 0, "{len}");
            }
        }
    }
}
