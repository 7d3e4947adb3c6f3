//! Small objects that clients compress for their way.

use bytes::Bytes;
use rns_cache::{CacheError, PublishError};
use rns_formats::Compression;
use tokio::task::spawn_blocking;

use crate::decompress;

/// Decompresses a small object of a client, on the blocking pool.
///
/// # Errors
/// `TooLarge` beyond `limit` bytes, `Malformed` when it is not compressed like this.
pub async fn unpack(
    compression: Compression,
    bytes: Bytes,
    limit: u64,
) -> Result<Bytes, PublishError> {
    let unpacked = spawn_blocking(move || decompress(&bytes, compression, limit));
    let object = || "the body".to_owned();
    match unpacked.await {
        Ok(Ok(Some(unpacked))) => Ok(unpacked),
        Ok(Ok(None)) => Err(PublishError::TooLarge { object: object(), limit }),
        Ok(Err(rejection)) => {
            Err(PublishError::Malformed { object: object(), why: rejection.to_string() })
        }
        Err(_) => Err(CacheError::ShuttingDown.into()),
    }
}
