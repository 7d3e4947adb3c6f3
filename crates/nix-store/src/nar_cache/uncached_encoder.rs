//! A range of a compressed NAR, compressed for one reader alone: when there is no room for a file, or its file has been
//! lost under a reader.

use std::ops::Range;

use bytes::Bytes;
use rns_cache::{Blob, CacheError};
use rns_formats::Sha256Hasher;
use tokio::task::spawn_blocking;

use super::{
    encoder::Encoder,
    encoder_limits::EncoderLimits,
    file_name::CompressedFile,
    portions::{Portion, Portions},
    recipe::Recipe,
    slots::Slot,
    steps::Steps,
};

pub(super) struct UncachedEncoder {
    portions: Portions,
    /// `None` before the first portion, and after the last.
    encoder: Option<Encoder>,
    recipe: Recipe,
    size: u64,
    /// Made, and not handed out yet.
    made: Bytes,
    /// Where `made` begins in the compressed NAR.
    offset: u64,
    range: Range<u64>,
    ended: bool,
    /// The memory of the encoder.
    _slot: Slot,
}

impl UncachedEncoder {
    /// Compresses a NAR and hands out a range of the result, which may end behind the end: that is not known in advance.
    /// `None` when the NAR is gone or damaged.
    ///
    /// # Errors
    /// When the NAR cannot be read.
    pub(super) async fn start(
        nar: &dyn Blob,
        recipe: Recipe,
        range: Range<u64>,
        limits: &EncoderLimits,
    ) -> Result<Option<Self>, CacheError> {
        let size = nar.len();
        let slot = limits.growing(recipe, size).await;
        let body = match nar.read(0..size).await {
            Ok(Some(body)) => body,
            Ok(None) | Err(CacheError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            portions: Portions::new(body, size),
            encoder: None,
            recipe,
            size,
            made: Bytes::new(),
            offset: 0,
            range,
            ended: false,
            _slot: slot,
        }))
    }

    /// Length and hash of all that it makes.
    ///
    /// # Errors
    /// When the NAR cannot be read.
    pub(super) async fn measure(mut self) -> Result<CompressedFile, CacheError> {
        let (mut hasher, mut size) = (Sha256Hasher::new(), 0);
        while let Some(bytes) = self.next().await? {
            size += bytes.len() as u64;
            let hash = move || {
                hasher.update(&bytes);
                hasher
            };
            hasher = spawn_blocking(hash).await.map_err(|_| CacheError::ShuttingDown)?;
        }
        Ok(CompressedFile { size, hash: hasher.finish() })
    }

    /// Compresses the next portion.
    async fn step(&mut self) -> Result<(), CacheError> {
        let Portion { bytes, is_last } = self.portions.next().await?;
        let (encoder, recipe, size) = (self.encoder.take(), self.recipe, self.size);
        let step = move || {
            let begin = || Encoder::new(recipe.codec, recipe.level, size);
            let mut encoder = encoder.map_or_else(begin, Ok)?;
            let mut made = Vec::new();
            encoder.push(&bytes, &mut made)?;
            if is_last {
                encoder.finish(&mut made)?;
            }
            Ok((encoder, made))
        };
        let (encoder, made) =
            spawn_blocking(step).await.map_err(|_| CacheError::ShuttingDown)??;
        self.encoder = Some(encoder);
        self.ended = is_last;
        self.made = made.into();
        Ok(())
    }
}

impl Steps for UncachedEncoder {
    async fn next(&mut self) -> Result<Option<Bytes>, CacheError> {
        loop {
            if self.offset >= self.range.end || self.ended && self.made.is_empty() {
                return Ok(None);
            }
            if self.made.is_empty() {
                self.step().await?;
            }
            let made = std::mem::take(&mut self.made);
            let start = self.offset;
            self.offset += made.len() as u64;
            // The bytes before the range were made, and sent, before.
            let wanted = rns_cache::slice(
                &made,
                self.range.start.saturating_sub(start)..self.range.end.saturating_sub(start),
            );
            if !wanted.is_empty() {
                return Ok(Some(wanted));
            }
        }
    }
}
