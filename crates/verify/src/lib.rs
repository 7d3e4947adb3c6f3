//! Checks of uploads, for every backend that takes them.
//!
//! A NAR is checked while it streams in: canonical form, hashes, lengths, and bombs ([`AnnouncedNar`], or [`NarFeed`] for
//! one whose file is there already). A narinfo is checked against the NAR that was found ([`narinfo`]).

#![forbid(unsafe_code)]

mod announced;
mod content_feed;
mod content_hash;
mod decoder;
mod document;
mod input;
mod members;
mod memory;
pub mod narinfo;
mod pipe;
mod rejection;
mod window;
mod zstd_frame;

use std::{io::Read, sync::Arc};

use bytes::Bytes;
use rns_formats::{Compression, NarEvent, NarLimits, NarReader, Sha256Digest, Sha256Hasher};

use self::input::Input;
pub use self::{
    announced::{AnnouncedNar, IncomingNar, KnownNar, ReceivedNar, StreamedNar, WholeNar},
    content_feed::ContentFeed,
    content_hash::{ContentHash, hash_contents},
    decoder::{Decoder, is_supported},
    document::unpack,
    memory::DecoderMemory,
    pipe::{FileFacts, NarCheck, NarFeed},
    rejection::NarRejection,
};

/// NARs that a backend checks at the same time; others wait for their turn.
pub const MAX_CHECKED_NARS: usize = 64;

/// The bytes a decoder hands on at a time.
const DECODED_BUFFER_BYTES: usize = 128 << 10;

/// The same for the smallest files.
const MIN_READ_BUFFER_BYTES: usize = 4 << 10;

/// The hashes and lengths of a checked NAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarFacts {
    /// SHA-256 of the NAR, decompressed.
    pub nar_hash: Sha256Digest,
    /// Length of the NAR in bytes, decompressed.
    pub nar_size: u64,
}

/// Reads a compressed NAR to its end and checks it. Blocks.
///
/// # Errors
/// The reason for which the NAR is refused, or the error of `input`.
pub fn check_nar(
    input: impl Read,
    compression: Compression,
    max_nar_size: u64,
    memory: &Arc<DecoderMemory>,
) -> Result<NarFacts, NarRejection> {
    check_input(Input::new(input), compression, max_nar_size, memory, DECODED_BUFFER_BYTES)
}

/// The same for a file that is in memory. Blocks.
pub(crate) fn check_nar_in_memory(
    file: &[u8],
    compression: Compression,
    max_nar_size: u64,
    memory: &Arc<DecoderMemory>,
) -> Result<NarFacts, NarRejection> {
    // Buffers are no larger than a small NAR needs: clearing them would take longer than its hashes.
    let buffer_bytes =
        file.len().saturating_mul(4).clamp(MIN_READ_BUFFER_BYTES, DECODED_BUFFER_BYTES);
    let input = Input::of_length(file, file.len());
    check_input(input, compression, max_nar_size, memory, buffer_bytes)
}

fn check_input<R: Read>(
    input: Input<R>,
    compression: Compression,
    max_nar_size: u64,
    memory: &Arc<DecoderMemory>,
    buffer_bytes: usize,
) -> Result<NarFacts, NarRejection> {
    let decoder = Decoder::of_nar_input(input, compression, memory)?;
    let mut hashed =
        HashingReader { inner: decoder, hasher: Sha256Hasher::new(), size: 0, max_nar_size };
    let read = read_events(&mut hashed, buffer_bytes);
    // The cause of a failed read is more telling than the reader's account of it.
    if hashed.size > max_nar_size {
        return Err(NarRejection::TooLarge { limit: max_nar_size });
    }
    read?;
    hashed.inner.finish()?;
    Ok(NarFacts { nar_hash: hashed.hasher.finish(), nar_size: hashed.size })
}

/// Decompresses a small object. `None` when it has more than `limit` bytes. Blocks.
///
/// # Errors
/// When it is not compressed like this.
pub fn decompress(
    bytes: &[u8],
    compression: Compression,
    limit: u64,
) -> Result<Option<Bytes>, NarRejection> {
    let mut unpacked = Vec::new();
    // A window is filled no further than the limit.
    let memory = DecoderMemory::new(u64::MAX);
    let mut decoder = Decoder::new(bytes, compression, &memory)?;
    let mut limited = decoder.by_ref().take(limit.saturating_add(1));
    limited.read_to_end(&mut unpacked).map_err(NarRejection::of_read)?;
    Ok((unpacked.len() as u64 <= limit).then(|| unpacked.into()))
}

fn read_events(input: impl Read, buffer_bytes: usize) -> Result<(), NarRejection> {
    let mut reader = NarReader::with_buffer(input, NarLimits::default(), buffer_bytes);
    while let Some(event) = reader.next_event()? {
        // Contents are skipped by the next event, hashed on their way.
        let _: NarEvent<'_> = event;
    }
    Ok(())
}

/// Hashes and counts the decompressed bytes, and stops behind the limit.
struct HashingReader<R> {
    inner: R,
    hasher: Sha256Hasher,
    size: u64,
    max_nar_size: u64,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.size > self.max_nar_size {
            return Err(std::io::Error::other("the NAR is larger than allowed"));
        }
        let count = self.inner.read(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;

    fn nar() -> Vec<u8> {
        nar_of(b"hello\n")
    }

    /// The NAR of a file with these contents.
    pub(crate) fn nar_of(contents: &[u8]) -> Vec<u8> {
        let tokens: [&[u8]; 7] =
            [b"nix-archive-1", b"(", b"type", b"regular", b"contents", contents, b")"];
        let mut bytes = Vec::new();
        for token in tokens {
            bytes.extend((token.len() as u64).to_le_bytes());
            bytes.extend(token);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(bytes: &[u8], compression: Compression) -> Result<NarFacts, NarRejection> {
        check_nar(bytes, compression, 1 << 20, &DecoderMemory::new(64 << 20))
    }

    #[test]
    fn every_supported_compression_gives_the_same_facts() {
        let nar = nar();
        let plain = check(&nar, Compression::None).unwrap();
        assert_eq!(plain.nar_size, 120);
        assert_eq!(
            plain.nar_hash.to_nix32(),
            "04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw"
        );
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&nar).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&nar).unwrap();
        let gzip = gzip.finish().unwrap();
        for (bytes, compression) in [
            (zstd(&nar), Compression::Zstd),
            (xz(&nar), Compression::Xz),
            (bzip2.finish().unwrap(), Compression::Bzip2),
            (gzip.clone(), Compression::Gzip),
            // As clients name it.
            (gzip, Compression::None),
        ] {
            assert_eq!(check(&bytes, compression).unwrap(), plain, "{compression}");
        }
    }

    #[test]
    fn several_frames_and_streams_are_one_nar() {
        let nar = nar();
        let (first, second) = nar.split_at(41);
        let plain = check(&nar, Compression::None).unwrap();
        let frames = [zstd(first), zstd(second)].concat();
        assert_eq!(check(&frames, Compression::Zstd).unwrap(), plain);
        let streams = [xz(first), vec![0; 8], xz(second), vec![0; 4]].concat();
        assert_eq!(check(&streams, Compression::Xz).unwrap(), plain);
        // Those that need more memory may come later.
        let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 9);
        encoder.write_all(second).unwrap();
        let streams = [xz(first), encoder.finish().unwrap()].concat();
        assert_eq!(check(&streams, Compression::Xz).unwrap(), plain);
    }

    #[test]
    fn a_nar_that_is_cut_followed_by_more_or_not_canonical_is_refused() {
        let nar = nar();
        for (bytes, compression) in [
            (nar[..nar.len() - 8].to_vec(), Compression::None),
            ([&nar[..], &[0; 8]].concat(), Compression::None),
            (zstd(&nar)[..20].to_vec(), Compression::Zstd),
            ([&zstd(&nar)[..], b"junk"].concat(), Compression::Zstd),
            (xz(&nar)[..60].to_vec(), Compression::Xz),
            ([&xz(&nar)[..], b"junkjunk"].concat(), Compression::Xz),
            (nar.clone(), Compression::Xz),
            (Vec::new(), Compression::None),
        ] {
            assert!(check(&bytes, compression).is_err(), "{compression} {}", bytes.len());
        }
    }

    #[test]
    fn decoders_together_stay_within_their_memory() {
        let nar = nar();
        let mut xz = xz2::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&nar).unwrap();
        let xz = xz.finish().unwrap();
        let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
        long.window_log(24).unwrap();
        long.write_all(&nar).unwrap();
        let long = long.finish().unwrap();
        let memory = DecoderMemory::new(20 << 20);
        std::thread::scope(|scope| {
            for number in 0..32 {
                let (file, compression) = match number % 2 {
                    0 => (&xz, Compression::Xz),
                    _ => (&long, Compression::Zstd),
                };
                let memory = &memory;
                scope.spawn(move || check_nar(&file[..], compression, 1 << 20, memory).unwrap());
            }
        });
        assert!((16 << 20..=20 << 20).contains(&memory.peak()), "{}", memory.peak());
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = zstd(&vec![0; 8 << 20]);
        let refused =
            check_nar(&bomb[..], Compression::Zstd, 1 << 20, &DecoderMemory::new(64 << 20))
                .unwrap_err();
        // It is no archive either; reading must end.
        assert!(!matches!(refused, NarRejection::Input(_)), "{refused}");
        let mut long = Vec::new();
        for token in [
            &b"nix-archive-1"[..],
            b"(",
            b"type",
            b"regular",
            b"contents",
            &vec![b'x'; 2 << 20],
            b")",
        ] {
            long.extend((token.len() as u64).to_le_bytes());
            long.extend(token);
            long.resize(long.len().next_multiple_of(8), 0);
        }
        let refused =
            check_nar(&zstd(&long)[..], Compression::Zstd, 1 << 20, &DecoderMemory::new(1))
                .unwrap_err();
        assert!(
            matches!(refused, NarRejection::TooLarge { limit } if limit == 1 << 20),
            "{refused}"
        );
    }

    #[test]
    fn windows_up_to_128_mib_are_taken() {
        for window in [10, 24, 27] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.long_distance_matching(true).unwrap();
            encoder.window_log(window).unwrap();
            encoder.write_all(&nar()).unwrap();
            let packed = encoder.finish().unwrap();
            let plain = check(&nar(), Compression::None).unwrap();
            assert_eq!(check(&packed, Compression::Zstd).unwrap(), plain, "{window}");
        }
    }

    #[test]
    fn a_window_beyond_128_mib_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(&nar()).unwrap();
        let bytes = encoder.finish().unwrap();
        assert!(matches!(check(&bytes, Compression::Zstd), Err(NarRejection::Decompression(_))));
    }
}
