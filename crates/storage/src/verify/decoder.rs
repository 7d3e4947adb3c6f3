//! Decompression of uploads, bounded in memory.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use rns_formats::Compression;
use xz2::{read::XzDecoder, stream::Stream};

use super::{NarRejection, rejection::InputError};

/// The largest zstd window: 128 MiB, what `--long` uses and clients may send.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Memory that one xz decoder may use, in bytes: more than level 9 needs.
const MAX_XZ_MEMORY: u64 = 256 << 20;

/// The bytes read from the input at a time.
const INPUT_BUFFER_BYTES: usize = 128 << 10;

/// What gzip files begin with.
const GZIP_FIRST_BYTE: u8 = 0x1f;

type Input<R> = BufReader<Marked<R>>;

fn buffered<R: Read>(input: R) -> Input<R> {
    BufReader::with_capacity(INPUT_BUFFER_BYTES, Marked(input))
}

/// Reads what another reader holds compressed: all frames and streams of it.
pub enum Decoder<R: Read> {
    /// Not compressed.
    None(Input<R>),
    /// xz, any number of streams.
    Xz(Box<XzDecoder<Input<R>>>),
    /// Zstandard, any number of frames.
    Zstd(Box<zstd::stream::read::Decoder<'static, Input<R>>>),
    /// bzip2, any number of streams.
    Bzip2(Box<MultiBzDecoder<Input<R>>>),
    /// gzip, any number of members.
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    /// Brotli.
    Br(Box<brotli_decompressor::Decompressor<Input<R>>>),
}

/// Whether uploads may be compressed like this.
#[must_use]
pub const fn is_supported(compression: Compression) -> bool {
    matches!(
        compression,
        Compression::None
            | Compression::Xz
            | Compression::Zstd
            | Compression::Bzip2
            | Compression::Gzip
            | Compression::Br
    )
}

impl<R: Read> Decoder<R> {
    /// A decoder for `input`.
    ///
    /// # Errors
    /// When the compression is not supported, or its library cannot be set up.
    pub fn new(input: R, compression: Compression) -> Result<Self, NarRejection> {
        Self::of_buffered(buffered(input), compression)
    }

    /// A decoder for the file of a NAR. Clients name what they compress with gzip as if it were not compressed; no NAR
    /// begins like that.
    ///
    /// # Errors
    /// As [`Self::new`], or those of `input`.
    pub fn of_nar(input: R, compression: Compression) -> Result<Self, NarRejection> {
        let mut input = buffered(input);
        let is_gzip = compression == Compression::None
            && input.fill_buf().map_err(NarRejection::of_read)?.first() == Some(&GZIP_FIRST_BYTE);
        Self::of_buffered(input, if is_gzip { Compression::Gzip } else { compression })
    }

    fn of_buffered(input: Input<R>, compression: Compression) -> Result<Self, NarRejection> {
        Ok(match compression {
            Compression::None => Self::None(input),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, xz2::stream::CONCATENATED)
                    .map_err(|error| NarRejection::Decompression(error.into()))?;
                Self::Xz(Box::new(XzDecoder::new_stream(input, stream)))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)
                    .map_err(NarRejection::Decompression)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(NarRejection::Decompression)?;
                Self::Zstd(Box::new(decoder))
            }
            Compression::Bzip2 => Self::Bzip2(Box::new(MultiBzDecoder::new(input))),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(input))),
            Compression::Br => {
                let decoder = brotli_decompressor::Decompressor::new(input, INPUT_BUFFER_BYTES);
                Self::Br(Box::new(decoder))
            }
            other => return Err(NarRejection::Unsupported(other)),
        })
    }

    /// Makes sure that the input has been read to its end, and the data with it.
    ///
    /// # Errors
    /// `Decompression` when more follows, `Input` when the input fails.
    pub fn finish(&mut self) -> Result<(), NarRejection> {
        let mut rest = [0; 1];
        if self.read(&mut rest).map_err(NarRejection::of_read)? != 0 {
            return Err(trailing());
        }
        let is_end = match self {
            Self::None(input) => is_at_end(input),
            Self::Xz(decoder) => is_at_end(decoder.get_mut()),
            Self::Zstd(decoder) => is_at_end(decoder.get_mut()),
            Self::Bzip2(decoder) => is_at_end(decoder.get_mut()),
            Self::Gzip(decoder) => is_at_end(decoder.get_mut()),
            // The decoder reads ahead into a buffer of its own.
            Self::Br(_) => Ok(true),
        };
        if is_end.map_err(NarRejection::of_read)? { Ok(()) } else { Err(trailing()) }
    }
}

fn is_at_end(input: &mut impl BufRead) -> io::Result<bool> {
    input.fill_buf().map(<[u8]>::is_empty)
}

fn trailing() -> NarRejection {
    NarRejection::Decompression(io::Error::new(
        io::ErrorKind::InvalidData,
        "something follows the compressed data",
    ))
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(input) => input.read(buf),
            Self::Xz(decoder) => decoder.read(buf),
            Self::Zstd(decoder) => decoder.read(buf),
            Self::Bzip2(decoder) => decoder.read(buf),
            Self::Gzip(decoder) => decoder.read(buf),
            Self::Br(decoder) => decoder.read(buf),
        }
    }
}

/// Marks the errors of the input, which a decoder passes on among its own.
pub struct Marked<R>(R);

impl<R: Read> Read for Marked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, InputError(error)),
        })
    }
}
