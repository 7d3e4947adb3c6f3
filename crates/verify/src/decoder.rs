//! Decompression of uploads, bounded in memory.

use std::{
    io::{self, BufRead as _, Read},
    sync::Arc,
};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use rns_formats::Compression;

use crate::{
    NarRejection,
    input::{INPUT_BUFFER_BYTES, Input},
    members::{Format, MemberReader},
    memory::{DecoderMemory, MemoryShare},
};

/// The beginning of gzip files.
const GZIP_FIRST_BYTE: u8 = 0x1f;

/// Memory that a bzip2 decoder needs, in bytes.
const BZIP2_MEMORY: u64 = 4 << 20;

/// Memory that a Brotli decoder needs, in bytes.
const BROTLI_MEMORY: u64 = 17 << 20;

/// Decompresses the bytes of another reader: all frames and streams of it.
pub enum Decoder<R: Read> {
    /// Not compressed.
    None(Input<R>),
    /// Zstandard or xz, any number of frames or streams.
    Members(Box<MemberReader<R>>),
    /// bzip2, any number of streams.
    Bzip2(Box<MultiBzDecoder<Input<R>>>, HeldMemory),
    /// gzip, any number of members.
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    /// Brotli.
    Br(Box<brotli_decompressor::Decompressor<Input<R>>>, HeldMemory),
}

/// Memory that a decoder holds to its end.
pub struct HeldMemory {
    _share: MemoryShare,
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
    /// A decoder for `input`, which waits for its memory.
    ///
    /// # Errors
    /// When the compression is not supported, or its library cannot be set up.
    pub fn new(
        input: R,
        compression: Compression,
        memory: &Arc<DecoderMemory>,
    ) -> Result<Self, NarRejection> {
        Self::of_buffered(Input::new(input), compression, memory)
    }

    /// A decoder for the file of a NAR. Clients name a NAR that they compress with gzip as if it were not compressed; no NAR
    /// begins like that.
    ///
    /// # Errors
    /// As [`Self::new`], or those of `input`.
    pub fn of_nar(
        input: R,
        compression: Compression,
        memory: &Arc<DecoderMemory>,
    ) -> Result<Self, NarRejection> {
        Self::of_nar_input(Input::new(input), compression, memory)
    }

    pub(crate) fn of_nar_input(
        mut input: Input<R>,
        compression: Compression,
        memory: &Arc<DecoderMemory>,
    ) -> Result<Self, NarRejection> {
        let is_gzip = compression == Compression::None
            && input.fill_buf().map_err(NarRejection::of_read)?.first() == Some(&GZIP_FIRST_BYTE);
        let compression = if is_gzip { Compression::Gzip } else { compression };
        Self::of_buffered(input, compression, memory)
    }

    fn of_buffered(
        input: Input<R>,
        compression: Compression,
        memory: &Arc<DecoderMemory>,
    ) -> Result<Self, NarRejection> {
        let members = |input, format| {
            Self::Members(Box::new(MemberReader::new(input, format, Arc::clone(memory))))
        };
        let held = |bytes| HeldMemory { _share: memory.take(bytes) };
        Ok(match compression {
            Compression::None => Self::None(input),
            Compression::Xz => members(input, Format::Xz),
            Compression::Zstd => members(input, Format::Zstd),
            Compression::Bzip2 => {
                Self::Bzip2(Box::new(MultiBzDecoder::new(input)), held(BZIP2_MEMORY))
            }
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(input))),
            Compression::Br => {
                let decoder = brotli_decompressor::Decompressor::new(input, INPUT_BUFFER_BYTES);
                Self::Br(Box::new(decoder), held(BROTLI_MEMORY))
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
        let is_at_end = |input: &mut Input<R>| input.fill_buf().map(<[u8]>::is_empty);
        let is_end = match self {
            Self::None(input) => is_at_end(input),
            Self::Members(members) => Ok(members.is_at_end()),
            Self::Bzip2(decoder, _) => is_at_end(decoder.get_mut()),
            Self::Gzip(decoder) => is_at_end(decoder.get_mut()),
            // The decoder reads ahead into a buffer of its own.
            Self::Br(..) => Ok(true),
        };
        if is_end.map_err(NarRejection::of_read)? { Ok(()) } else { Err(trailing()) }
    }
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
            Self::Members(members) => members.read(buf),
            Self::Bzip2(decoder, _) => decoder.read(buf),
            Self::Gzip(decoder) => decoder.read(buf),
            Self::Br(decoder, _) => decoder.read(buf),
        }
    }
}
