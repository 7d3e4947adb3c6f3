//! One frame of Zstandard, decompressed by a decoder that goes on to other frames.
//!
//! To make a decoder costs more than to decompress most files of a closure.

use std::{
    io::{self, BufRead as _, Read},
    sync::{Mutex, MutexGuard, PoisonError},
};

use zstd::stream::raw::{Decoder, Operation as _};

use crate::input::Input;

/// The largest window, as the exponent of two: 128 MiB, as `--long` uses and clients may send.
const MAX_WINDOW_LOG: u32 = 27;

/// Decoders that are kept for later frames, beside the budget for those in use.
const MAX_IDLE_DECODERS: usize = 4;

/// A decoder that needed more memory is not kept, in bytes.
const MAX_IDLE_DECODER_BYTES: u64 = 4 << 20;

static IDLE_DECODERS: Mutex<Vec<IdleDecoder>> = Mutex::new(Vec::new());

/// A decoder between two frames. It keeps its memory.
struct IdleDecoder {
    decoder: Decoder<'static>,
    /// In bytes.
    memory: u64,
}

impl IdleDecoder {
    /// One that has no more memory than the next frame was given.
    fn take(memory: u64) -> Option<Decoder<'static>> {
        let mut idle = idle_decoders();
        let place = idle.iter().position(|idle| idle.memory <= memory)?;
        Some(idle.remove(place).decoder)
    }

    /// Keeps it, in the place of the one that has been idle for longest if there are enough.
    fn keep(self) {
        let mut idle = idle_decoders();
        if idle.len() >= MAX_IDLE_DECODERS {
            idle.remove(0);
        }
        idle.push(self);
    }
}

/// A frame that is read.
pub(crate) struct ZstdFrame<R> {
    input: Input<R>,
    decoder: Decoder<'static>,
    /// The memory that its decoder needs, in bytes.
    memory: u64,
    is_whole: bool,
}

impl<R: Read> ZstdFrame<R> {
    /// The frame at the beginning of the input, whose decoder needs so many bytes.
    ///
    /// # Errors
    /// When no decoder can be made.
    pub(crate) fn new(input: Input<R>, memory: u64) -> io::Result<Self> {
        let decoder = match IdleDecoder::take(memory) {
            Some(decoder) => decoder,
            None => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
                decoder
            }
        };
        Ok(Self { input, decoder, memory, is_whole: false })
    }

    /// The input behind the frame, after its end.
    pub(crate) fn into_input(mut self) -> Input<R> {
        if self.memory <= MAX_IDLE_DECODER_BYTES && self.decoder.reinit().is_ok() {
            IdleDecoder { decoder: self.decoder, memory: self.memory }.keep();
        }
        self.input
    }
}

impl<R: Read> Read for ZstdFrame<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.is_whole && !buf.is_empty() {
            let available = self.input.fill_buf()?;
            let is_end = available.is_empty();
            let step = self.decoder.run_on_buffers(available, buf)?;
            self.input.consume(step.bytes_read);
            self.is_whole = step.remaining == 0;
            if step.bytes_written > 0 {
                return Ok(step.bytes_written);
            }
            if is_end && !self.is_whole {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame"));
            }
        }
        Ok(0)
    }
}

fn idle_decoders() -> MutexGuard<'static, Vec<IdleDecoder>> {
    IDLE_DECODERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = ZstdFrame::new(Input::new(bytes), 1 << 20)?;
        let mut text = Vec::new();
        frame.read_to_end(&mut text)?;
        frame.into_input();
        Ok(text)
    }

    #[test]
    fn a_decoder_that_is_used_again_remembers_nothing() {
        for number in 0..20_u8 {
            let text = vec![number; 10_000];
            let bytes = zstd::encode_all(text.as_slice(), 3).unwrap();
            assert_eq!(read(&bytes).unwrap(), text);
            let cut = bytes.len() / 2;
            let error = read(&bytes[..cut]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        assert!(read(b"not a frame").is_err());
        assert!(idle_decoders().len() <= MAX_IDLE_DECODERS);
    }
}
