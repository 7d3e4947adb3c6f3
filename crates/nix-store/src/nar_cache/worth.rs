//! Whether compressing a NAR makes it smaller. Archives, pictures and programs that are packed already only cost time: here,
//! and at every client that unpacks them.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use quick_cache::sync::Cache;
use rns_cache::{Blob, BlobBody, CacheError};
use rns_formats::Sha256Digest;
use tokio::task::spawn_blocking;

use super::{config::Codec, encoder::Encoder};

/// Of 100 bytes, at most so many remain of a NAR that is worth it.
const MAX_PERCENT: u64 = 95;

/// Samples of a NAR, and the length of each.
const SAMPLES: u64 = 8;
const SAMPLE_BYTES: u64 = 32 << 10;

/// NARs that are remembered. One that is forgotten is sampled again.
const MAX_REMEMBERED_NARS: usize = 65_536;

/// The level that samples are compressed with: the fastest says enough.
const SAMPLE_LEVEL: u8 = 1;

/// The results of samples.
pub(super) struct Worth(Cache<Sha256Digest, bool>);

impl Worth {
    pub(super) fn new() -> Self {
        Self(Cache::new(MAX_REMEMBERED_NARS))
    }

    /// The memory of a NAR.
    pub(super) fn known(&self, nar_hash: &Sha256Digest) -> Option<bool> {
        self.0.get(nar_hash)
    }

    /// Finds out by samples whether a NAR is worth it. `None` when it is gone or damaged.
    ///
    /// # Errors
    /// When the NAR cannot be read.
    pub(super) async fn sample(
        &self,
        nar_hash: Sha256Digest,
        nar: &Arc<dyn Blob>,
    ) -> Result<Option<bool>, CacheError> {
        let mut samples = Vec::new();
        for range in ranges(nar.len()) {
            match nar.read(range).await? {
                Some(BlobBody::Whole(bytes)) => samples.push(bytes),
                // So little is read whole.
                Some(BlobBody::Stream(_)) => return Ok(Some(true)),
                None => return Ok(None),
            }
        }
        let compressed = spawn_blocking(move || compressed_len(&samples));
        let (before, after) = compressed.await.map_err(|_| CacheError::ShuttingDown)??;
        let is_worth_it = is_smaller(before, after);
        self.0.insert(nar_hash, is_worth_it);
        Ok(Some(is_worth_it))
    }
}

/// Where samples are taken: all over the NAR, or all of one that is hardly longer than they are.
fn ranges(len: u64) -> Vec<Range<u64>> {
    if len <= SAMPLES * SAMPLE_BYTES {
        return std::iter::once(0..len).collect();
    }
    let step = (len - SAMPLE_BYTES) / (SAMPLES - 1);
    (0..SAMPLES).map(|number| step * number..step * number + SAMPLE_BYTES).collect()
}

/// Whether so much less remains that it is worth it.
pub(super) const fn is_smaller(before: u64, after: u64) -> bool {
    after.saturating_mul(100) <= before.saturating_mul(MAX_PERCENT)
}

/// The length of all samples, before and after.
fn compressed_len(samples: &[Bytes]) -> Result<(u64, u64), CacheError> {
    let before = samples.iter().map(|sample| sample.len() as u64).sum();
    let mut encoder = Encoder::new(Codec::Zstd, SAMPLE_LEVEL, before)?;
    let mut made = Vec::new();
    for sample in samples {
        encoder.push(sample, &mut made)?;
    }
    encoder.finish(&mut made)?;
    Ok((before, made.len() as u64))
}

#[cfg(test)]
mod tests {
    use rns_cache::MemoryBlob;

    use super::*;

    async fn worth(bytes: Vec<u8>) -> bool {
        let nar_hash = Sha256Digest::of(&bytes);
        let nar: Arc<dyn Blob> = Arc::new(MemoryBlob { bytes: bytes.into(), etag: "x".to_owned() });
        let worth = Worth::new();
        assert_eq!(worth.known(&nar_hash), None);
        let found = worth.sample(nar_hash, &nar).await.unwrap().unwrap();
        assert_eq!(worth.known(&nar_hash), Some(found));
        found
    }

    /// Bytes in which nothing comes again.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let word = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(word).take(len).collect()
    }

    #[tokio::test]
    async fn packed_contents_are_not_worth_it_and_others_are() {
        assert!(!worth(noise(6 << 20)).await);
        let text: Vec<u8> = (0..6 << 20).map(|i: u32| b"abcdefgh"[(i / 7 % 8) as usize]).collect();
        assert!(worth(text.clone()).await);
        let mut mixed = noise(3 << 20);
        mixed.extend_from_slice(&text[..3 << 20]);
        assert!(worth(mixed).await, "half of it gets smaller");
    }

    #[tokio::test]
    async fn a_nar_that_is_shorter_than_a_sample_is_sampled_whole() {
        for len in [1000, SAMPLE_BYTES as usize, SAMPLE_BYTES as usize + 1] {
            assert!(!worth(noise(len)).await, "{len}");
            assert!(worth(vec![7; len]).await, "{len}");
        }
    }
}
