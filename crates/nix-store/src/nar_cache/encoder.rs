//! The encoders, each with every parameter fixed.

use std::{io, num::NonZeroUsize, thread};

use xz2::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, get_error_name, zstd_sys::ZSTD_EndDirective,
};

use super::config::Codec;
use crate::CacheError;

/// Room that is offered to an encoder at a time.
const OUTPUT_BYTES: usize = 128 << 10;

/// From this size of a NAR on, zstd compresses it in pieces, several side by side where there are processors for it. The
/// pieces are the same for any number of threads, and so are the bytes.
pub(super) const MIN_BYTES_IN_PIECES: u64 = 8 << 20;

/// The length of such a piece. Smaller ones take less memory and find fewer repetitions.
pub(super) const ENCODER_PIECE_BYTES: u32 = 4 << 20;

/// How much of the piece before it is searched for repetitions as well: an eighth of the window. All of it costs a
/// seventh more time, and makes the result 0.3 % smaller.
const OVERLAP_LOG: u32 = 6;

/// The most threads that compress one NAR.
pub(super) const MAX_ENCODER_THREADS: u32 = 4;

/// The smallest dictionary that xz knows.
const SMALLEST_DICTIONARY: u64 = 4 << 10;

/// An encoder in the middle of one NAR, in the calling thread.
pub(super) enum Encoder {
    Zstd(CCtx<'static>),
    Xz(Box<Stream>),
}

impl Encoder {
    /// An encoder for a NAR of exactly `size` bytes: both libraries choose other parameters for another size.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub(super) fn new(codec: Codec, level: u8, size: u64) -> Result<Self, CacheError> {
        let made = match codec {
            Codec::Zstd => zstd(level, size, threads()).map(Self::Zstd),
            Codec::Xz => xz(level, size).map(|stream| Self::Xz(Box::new(stream))),
        };
        made.map_err(failed)
    }

    /// Takes all of `input`, and appends the output.
    ///
    /// # Errors
    /// When the library has one, or the NAR is longer than was said.
    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), CacheError> {
        match self {
            Self::Zstd(context) => {
                let mut input = InBuffer::around(input);
                while input.pos < input.src.len() {
                    zstd_step(context, &mut input, out, ZSTD_EndDirective::ZSTD_e_continue)
                        .map_err(failed)?;
                }
            }
            Self::Xz(stream) => {
                while !input.is_empty() {
                    out.reserve(OUTPUT_BYTES);
                    let before = stream.total_in();
                    stream
                        .process_vec(input, out, Action::Run)
                        .map_err(|error| failed(error.into()))?;
                    let taken = usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX);
                    input = input.get(taken..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// Appends the rest.
    ///
    /// # Errors
    /// When the library has one, or the NAR was shorter than was said.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CacheError> {
        match self {
            Self::Zstd(context) => {
                let mut nothing = InBuffer::around(&[]);
                while zstd_step(context, &mut nothing, out, ZSTD_EndDirective::ZSTD_e_end)
                    .map_err(failed)?
                    > 0
                {}
            }
            Self::Xz(stream) => {
                let mut status = Status::Ok;
                while status != Status::StreamEnd {
                    out.reserve(OUTPUT_BYTES);
                    status = stream
                        .process_vec(&[], out, Action::Finish)
                        .map_err(|error| failed(error.into()))?;
                }
            }
        }
        Ok(())
    }
}

/// How many threads compress one NAR.
pub(super) fn threads() -> u32 {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    u32::try_from(processors).unwrap_or(MAX_ENCODER_THREADS).clamp(1, MAX_ENCODER_THREADS)
}

fn zstd(level: u8, size: u64, threads: u32) -> io::Result<CCtx<'static>> {
    let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    // The library's own choice for large inputs, which it may change; it never exceeds the size of the input.
    let window = match level {
        ..=8 => 21,
        9..=16 => 22,
        _ => 23,
    };
    let parameters = [
        CParameter::CompressionLevel(level.into()),
        CParameter::WindowLog(window),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(true),
    ];
    for parameter in parameters {
        context.set_parameter(parameter).map_err(zstd_error)?;
    }
    if size >= MIN_BYTES_IN_PIECES {
        for parameter in [
            // With none, there would be no pieces, and other bytes.
            CParameter::NbWorkers(threads),
            CParameter::JobSize(ENCODER_PIECE_BYTES),
            CParameter::OverlapSizeLog(OVERLAP_LOG),
        ] {
            context.set_parameter(parameter).map_err(zstd_error)?;
        }
    }
    context.set_pledged_src_size(Some(size)).map_err(zstd_error)?;
    Ok(context)
}

fn xz(level: u8, size: u64) -> io::Result<Stream> {
    let mut options = LzmaOptions::new_preset(level.into())?;
    // A dictionary that is larger than the NAR only takes memory, here and at the client.
    let dictionary: u64 = match level {
        0 => 256 << 10,
        1 => 1 << 20,
        2 => 2 << 20,
        3 | 4 => 4 << 20,
        5 | 6 => 8 << 20,
        7 => 16 << 20,
        8 => 32 << 20,
        _ => 64 << 20,
    };
    let needed = size.next_power_of_two().clamp(SMALLEST_DICTIONARY, dictionary);
    options.dict_size(u32::try_from(needed).unwrap_or(u32::MAX));
    let mut filters = Filters::new();
    filters.lzma2(&options);
    Ok(Stream::new_stream_encoder(&filters, Check::Crc64)?)
}

/// One call of the library; how much is still to be had after it.
fn zstd_step(
    context: &mut CCtx<'_>,
    input: &mut InBuffer<'_>,
    out: &mut Vec<u8>,
    directive: ZSTD_EndDirective,
) -> io::Result<usize> {
    out.reserve(OUTPUT_BYTES);
    let filled = out.len();
    let mut output = OutBuffer::around_pos(out, filled);
    context.compress_stream2(&mut output, input, directive).map_err(zstd_error)
}

fn zstd_error(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

fn failed(error: io::Error) -> CacheError {
    CacheError::io("compress", "a NAR")(error)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{super::recipe::Recipe, *};

    fn compress(codec: Codec, level: u8, bytes: &[u8], step: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(codec, level, bytes.len() as u64).unwrap();
        let mut out = Vec::new();
        for part in bytes.chunks(step) {
            encoder.push(part, &mut out).unwrap();
        }
        encoder.finish(&mut out).unwrap();
        out
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * i / 997 % 251) as u8).collect()
    }

    #[test]
    fn what_is_compressed_comes_back() {
        for len in [1, 96, 70_000, 3_000_000] {
            let original = bytes(len);
            let zstd = compress(Codec::Zstd, 3, &original, 100_000);
            assert!(zstd::decode_all(&*zstd).unwrap() == original, "{len}");
            let mut back = Vec::new();
            xz2::read::XzDecoder::new(&*compress(Codec::Xz, 1, &original, 100_000))
                .read_to_end(&mut back)
                .unwrap();
            assert!(back == original, "{len}");
        }
    }

    #[test]
    fn compressing_again_gives_the_same_bytes_whatever_the_portions() {
        let original = bytes(3_000_000);
        for (codec, levels) in [(Codec::Zstd, [1, 3, 7, 12]), (Codec::Xz, [0, 1, 2, 3])] {
            for level in levels {
                let once = compress(codec, level, &original, 256 << 10);
                for step in [256 << 10, 77_777, 3_000_000] {
                    assert!(
                        once == compress(codec, level, &original, step),
                        "{codec:?} {level} {step}"
                    );
                }
            }
        }
    }

    #[test]
    fn any_number_of_threads_makes_the_same_bytes() {
        let original = bytes(usize::try_from(MIN_BYTES_IN_PIECES).unwrap() + (7 << 20) + 77);
        let compress = |level, threads, step| {
            let context = zstd(level, original.len() as u64, threads).unwrap();
            let mut encoder = Encoder::Zstd(context);
            let mut out = Vec::new();
            for part in original.chunks(step) {
                encoder.push(part, &mut out).unwrap();
            }
            encoder.finish(&mut out).unwrap();
            out
        };
        for level in [1, 3, 9] {
            let once = compress(level, 1, 256 << 10);
            for (threads, step) in [(2, 256 << 10), (3, 77_777), (4, 5 << 20), (8, 256 << 10)] {
                assert!(once == compress(level, threads, step), "{level} {threads} {step}");
            }
            assert!(zstd::decode_all(&*once).unwrap() == original);
        }
    }

    #[test]
    fn an_encoder_takes_no_more_memory_than_is_reckoned_with() {
        let size = 64 << 20;
        for level in [1, 3, 5, 9, 15, 19] {
            let Ok(Encoder::Zstd(mut context)) = Encoder::new(Codec::Zstd, level, size) else {
                panic!("level {level}")
            };
            let mut out = Vec::new();
            for _ in 0..100 {
                let input = bytes(256 << 10);
                let mut input = InBuffer::around(&input);
                while input.pos < input.src.len() {
                    let go_on = ZSTD_EndDirective::ZSTD_e_continue;
                    zstd_step(&mut context, &mut input, &mut out, go_on).unwrap();
                }
            }
            let reckoned = Recipe::new(Codec::Zstd, level).unwrap().memory_mib(size);
            assert!(context.sizeof() as u64 <= u64::from(reckoned) << 20, "{level}");
        }
    }

    #[test]
    fn a_zstd_frame_says_how_long_the_nar_is() {
        let frame = compress(Codec::Zstd, 3, &bytes(70_000), 70_000);
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&frame).unwrap(), Some(70_000));
    }

    #[test]
    fn a_nar_of_another_length_than_was_said_is_an_error() {
        let mut encoder = Encoder::new(Codec::Zstd, 3, 10).unwrap();
        let mut out = Vec::new();
        let result = encoder.push(&[0; 9], &mut out).and_then(|()| encoder.finish(&mut out));
        assert!(result.is_err());
    }
}
