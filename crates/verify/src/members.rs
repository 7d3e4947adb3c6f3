//! Frames of Zstandard and streams of xz, one after the other: each has the memory that it needs before it begins, and
//! gives it back before the next one waits for its own.

use std::{
    io::{self, BufRead as _, Read},
    sync::Arc,
};

use xz2::{bufread::XzDecoder, stream::Stream};

use crate::{
    input::Input,
    memory::{DecoderMemory, MemoryShare},
    window::{HEADER_BYTES, of_xz_stream, of_zstd_frame},
    zstd_frame::ZstdFrame,
};

/// Memory that one xz decoder may use, in bytes: more than level 9 needs.
const MAX_XZ_MEMORY: u64 = 256 << 20;

/// The least memory of xz decoders, in bytes: that of a stream without a block.
const MIN_XZ_MEMORY: u64 = 1 << 20;

/// Which format the members have.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Zstd,
    Xz,
}

/// Reads all members of an input.
pub struct MemberReader<R: Read> {
    format: Format,
    memory: Arc<DecoderMemory>,
    state: MemberStage<R>,
    has_begun: bool,
}

enum MemberStage<R: Read> {
    Between(Input<R>),
    Zstd(ZstdFrame<R>, MemoryShare),
    Xz(XzDecoder<Input<R>>, MemoryShare),
    Failed,
}

impl<R: Read> MemberReader<R> {
    pub(crate) const fn new(input: Input<R>, format: Format, memory: Arc<DecoderMemory>) -> Self {
        Self { format, memory, state: MemberStage::Between(input), has_begun: false }
    }

    /// Whether the input has been read to its end.
    pub(crate) const fn is_at_end(&self) -> bool {
        matches!(self.state, MemberStage::Between(_))
    }

    /// Begins the next member. `None` at the end.
    fn begin(&self, mut input: Input<R>) -> io::Result<MemberStage<R>> {
        match self.format {
            Format::Zstd => {
                let needed = of_zstd_frame(input.peek(HEADER_BYTES)?);
                let share = self.memory.take(needed);
                Ok(MemberStage::Zstd(ZstdFrame::new(input, needed)?, share))
            }
            Format::Xz => {
                let needed = of_xz_stream(input.peek(HEADER_BYTES)?).max(MIN_XZ_MEMORY);
                let share = self.memory.take(needed);
                let stream = Stream::new_stream_decoder(needed.min(MAX_XZ_MEMORY), 0)?;
                Ok(MemberStage::Xz(XzDecoder::new_stream(input, stream), share))
            }
        }
    }

    /// Zeroes may fill up the room between two streams of xz.
    fn skip_padding(&self, input: &mut Input<R>) -> io::Result<()> {
        while matches!(self.format, Format::Xz) && self.has_begun && input.peek(4)? == [0; 4] {
            input.consume(4);
        }
        Ok(())
    }
}

impl<R: Read> Read for MemberReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            // A failure stays.
            self.state = match std::mem::replace(&mut self.state, MemberStage::Failed) {
                MemberStage::Failed => return Err(io::ErrorKind::InvalidData.into()),
                MemberStage::Between(mut input) => {
                    self.skip_padding(&mut input)?;
                    if self.has_begun && input.fill_buf()?.is_empty() {
                        self.state = MemberStage::Between(input);
                        return Ok(0);
                    }
                    self.has_begun = true;
                    self.begin(input)?
                }
                MemberStage::Zstd(mut frame, share) => match frame.read(buf)? {
                    0 => MemberStage::Between(frame.into_input()),
                    count => {
                        self.state = MemberStage::Zstd(frame, share);
                        return Ok(count);
                    }
                },
                MemberStage::Xz(mut decoder, share) => match decoder.read(buf)? {
                    0 => MemberStage::Between(decoder.into_inner()),
                    count => {
                        self.state = MemberStage::Xz(decoder, share);
                        return Ok(count);
                    }
                },
            };
        }
    }
}
