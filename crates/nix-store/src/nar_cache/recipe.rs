//! How a NAR is compressed, so exactly that doing it again gives the same bytes.
//!
//! A client that resumes a download asks for the bytes from N on, and appends them. When the file was evicted
//! meanwhile, or the server was restarted, these bytes come from another run of the encoder: everything that could
//! make them differ is fixed here, and named in the file name and in the validator.

use std::fmt;

use rns_formats::Sha256Digest;

use super::{
    config::Codec,
    encoder::{ENCODER_PIECE_BYTES, Encoder, MIN_BYTES_IN_PIECES, threads},
};
use crate::CacheError;

/// The codec, its level, and the encoder's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recipe {
    pub(super) codec: Codec,
    pub(super) level: u8,
    /// Eight characters that change when the library makes other bytes of the same input.
    fingerprint: [u8; FINGERPRINT],
}

const FINGERPRINT: usize = 8;

/// Goes into the fingerprint; to be raised with any change of the parameters in `encoder.rs`.
const RECIPE_VERSION: &str = "2";

impl Recipe {
    /// Identifies the encoder, by letting it compress a sample. Takes some milliseconds.
    ///
    /// # Errors
    /// When the encoder cannot be set up, for want of memory.
    pub(super) fn new(codec: Codec, level: u8) -> Result<Self, CacheError> {
        let sample = sample();
        let mut encoder = Encoder::new(codec, level, sample.len() as u64)?;
        let mut made =
            format!("{}-{}-{RECIPE_VERSION}-", codec.name(), zstd::zstd_safe::version_number())
                .into_bytes();
        encoder.push(&sample, &mut made)?;
        encoder.finish(&mut made)?;
        let digest = Sha256Digest::of(&made).to_nix32();
        let fingerprint = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Self { codec, level, fingerprint })
    }

    /// The name of the compressed form of a NAR: letters, digits and dashes.
    pub(super) fn tag(&self, nar_hash: &Sha256Digest) -> String {
        format!("{}-{self}", nar_hash.to_nix32())
    }

    /// Memory that the encoder of a NAR of this size takes, in MiB, rounded up.
    pub(super) fn memory_mib(&self, nar_size: u64) -> u32 {
        if self.codec == Codec::Xz || nar_size < MIN_BYTES_IN_PIECES {
            return self.thread_mib();
        }
        let (threads, piece) = (threads(), ENCODER_PIECE_BYTES >> 20);
        // The library's ring of input holds three pieces more than there are threads. While a thread lags, all
        // others of the ring may be compressed and wait for it, each in a buffer that is a little larger.
        let pieces = threads + 3;
        threads * self.thread_mib() + 2 * pieces * piece + 1
    }

    const fn thread_mib(&self) -> u32 {
        match (self.codec, self.level) {
            (Codec::Zstd, ..=5) => 6,
            (Codec::Zstd, ..=9) => 24,
            (Codec::Zstd, ..=15) => 64,
            (Codec::Zstd, _) => 128,
            (Codec::Xz, 0) => 4,
            (Codec::Xz, 1) => 10,
            (Codec::Xz, 2) => 18,
            (Codec::Xz, 3) => 33,
            (Codec::Xz, 4) => 49,
            (Codec::Xz, 5 | 6) => 95,
            (Codec::Xz, 7) => 187,
            (Codec::Xz, 8) => 371,
            (Codec::Xz, _) => 675,
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = str::from_utf8(&self.fingerprint).unwrap_or_default();
        write!(f, "{}-{}-{fingerprint}", self.codec.name(), self.level)
    }
}

/// A quarter of a megabyte in which an encoder finds some things again, near and far, and others not.
fn sample() -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = Vec::with_capacity(SAMPLE);
    while bytes.len() < SAMPLE {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let start = (state >> 7) as usize % bytes.len().max(1);
        let end = start + (state >> 3) as usize % 60;
        if end <= bytes.len() && state >> 31 == 0 {
            bytes.extend_from_within(start..end);
        } else {
            bytes.extend_from_slice(&state.to_le_bytes());
        }
    }
    bytes
}

const SAMPLE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_the_same_every_time_and_another_one_for_another_level() {
        let recipe = |codec, level| Recipe::new(codec, level).unwrap();
        assert_eq!(recipe(Codec::Zstd, 3), recipe(Codec::Zstd, 3));
        assert_ne!(recipe(Codec::Zstd, 3).fingerprint, recipe(Codec::Zstd, 4).fingerprint);
        assert_ne!(recipe(Codec::Xz, 0).fingerprint, recipe(Codec::Xz, 1).fingerprint);
    }

    #[test]
    fn a_tag_says_nar_codec_level_and_encoder() {
        let tag = Recipe::new(Codec::Zstd, 3).unwrap().tag(&Sha256Digest::of(b""));
        let parts: Vec<_> = tag.split('-').collect();
        assert_eq!(
            parts[..3],
            ["0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73", "zstd", "3"]
        );
        assert_eq!((parts.len(), parts[3].len()), (4, FINGERPRINT));
    }
}
