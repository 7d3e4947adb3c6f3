//! The body of an upload: bytes in memory, or a file that is read as it is sent.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;
use tokio::task::spawn_blocking;

use crate::liveness::Liveness;

/// Bytes that are read of a file at a time.
const UPLOAD_CHUNK_BYTES: usize = 256 << 10;

/// A body that can be sent again.
#[derive(Clone, Debug)]
pub enum UploadBody {
    /// In memory.
    Bytes(Bytes),
    /// The first so many bytes of a file.
    File(Arc<File>, u64),
}

impl UploadBody {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    /// Returns true for a body without bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body from its first byte on. `sent` counts the bytes as they leave, and `liveness` is told of them.
    pub(crate) fn start(&self, sent: &Arc<AtomicU64>, liveness: &Liveness) -> Body {
        let (body, sent, liveness) = (self.clone(), Arc::clone(sent), liveness.clone());
        let chunks = stream::try_unfold(0, move |at| {
            let (body, sent, liveness) = (body.clone(), Arc::clone(&sent), liveness.clone());
            async move {
                let Some(chunk) = body.chunk(at, UPLOAD_CHUNK_BYTES).await? else {
                    return Ok(None);
                };
                sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                liveness.note();
                let next = at + chunk.len() as u64;
                Ok::<_, io::Error>(Some((chunk, next)))
            }
        });
        Body::wrap_stream(chunks)
    }

    /// The bytes from `at` on, at most so many. `None` at the end.
    ///
    /// # Errors
    /// As the file says.
    pub async fn chunk(&self, at: u64, most: usize) -> io::Result<Option<Bytes>> {
        let length = (most as u64).min(self.len().saturating_sub(at));
        if length == 0 {
            return Ok(None);
        }
        let index = |value: u64| usize::try_from(value).map_err(io::Error::other);
        match self {
            Self::Bytes(bytes) => Ok(Some(bytes.slice(index(at)?..index(at + length)?))),
            Self::File(file, _) => {
                let (file, length) = (Arc::clone(file), index(length)?);
                let read = move || {
                    let mut chunk = vec![0; length];
                    file.read_exact_at(&mut chunk, at).map(|()| Some(Bytes::from(chunk)))
                };
                spawn_blocking(read).await.map_err(io::Error::other)?
            }
        }
    }
}

impl From<Bytes> for UploadBody {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}
