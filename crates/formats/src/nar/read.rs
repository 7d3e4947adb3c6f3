//! Reading an archive, and nothing but the canonical form of one.

use std::io::Read;

use super::build::LayoutBuilder;
use super::layout::NarLayout;
use super::limits::{NarLimits, TreeError};
use super::order::TreeOrder;
use super::read_error::NarReadError;
use super::tokens::{NarTokens, WORD_MAX};
use super::wire;

/// Reads one archive from `R`, which must end where the archive ends.
///
/// Accepts exactly the archives that [`NarWriter`](super::NarWriter) can write. Memory is bounded by the limits,
/// for any input; file contents are passed on in pieces. After an error the archive is worthless
/// and every further call fails.
#[derive(Debug)]
pub struct NarReader<R> {
    input: NarTokens<R>,
    limits: NarLimits,
    order: TreeOrder,
    state: ReaderState,
    /// Name or target that the latest event shows.
    string: Vec<u8>,
}

/// A part of an archive, in the order in which [`NarWriter`](super::NarWriter) takes them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NarEvent<'a> {
    /// A directory begins; its entries follow.
    EnterDirectory,
    /// The directory entered last ends.
    LeaveDirectory,
    /// Name of the node that follows.
    Entry(&'a [u8]),
    /// A regular file; its contents follow and can be read with [`NarReader::read_contents`].
    Regular {
        /// Whether it is marked executable.
        executable: bool,
        /// Length of its contents in bytes.
        size: u64,
    },
    /// A symbolic link with this target.
    Symlink(&'a [u8]),
}

#[derive(Clone, Copy, Debug)]
enum ReaderState {
    Start,
    Node,
    Directory,
    Contents { size: u64, missing: u64 },
    Trailer,
    End,
    Failed,
}

/// The bytes of the input that are read at a time, where nothing else is said.
const NAR_BUFFER_BYTES: usize = 64 << 10;

impl<R: Read> NarReader<R> {
    /// Starts reading. Nothing is read yet.
    #[must_use]
    pub fn new(input: R, limits: NarLimits) -> Self {
        Self::with_buffer(input, limits, NAR_BUFFER_BYTES)
    }

    /// The same, reading so many bytes of the input at a time.
    #[must_use]
    pub fn with_buffer(input: R, limits: NarLimits, bytes: usize) -> Self {
        Self {
            input: NarTokens::new(input, bytes),
            limits,
            order: TreeOrder::new(limits),
            state: ReaderState::Start,
            string: Vec::new(),
        }
    }

    /// Number of bytes of the archive that were read so far. Right after [`NarEvent::Regular`] that
    /// is where its contents begin.
    pub const fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// The next part; contents of the latest file that were not read are skipped. `None` when the
    /// archive and the input have both ended.
    ///
    /// # Errors
    ///
    /// When the input is not a canonical archive within the limits, when it ends early or goes on
    /// after the archive, or when reading fails.
    pub fn next_event(&mut self) -> Result<Option<NarEvent<'_>>, NarReadError> {
        match std::mem::replace(&mut self.state, ReaderState::Failed) {
            ReaderState::Start => {
                self.magic()?;
                self.node().map(Some)
            }
            ReaderState::Node => self.node().map(Some),
            ReaderState::Directory => self.entry_or_leave().map(Some),
            ReaderState::Contents { size, missing } => {
                self.input.skip(missing)?;
                self.end_contents(size)?;
                match std::mem::replace(&mut self.state, ReaderState::Failed) {
                    ReaderState::Directory => self.entry_or_leave().map(Some),
                    _ => self.trailer(),
                }
            }
            ReaderState::Trailer => self.trailer(),
            ReaderState::End => {
                self.state = ReaderState::End;
                Ok(None)
            }
            ReaderState::Failed => Err(NarReadError::Failed),
        }
    }

    /// Reads contents of the file that the latest event announced. Returns 0 when all of them were
    /// read, or when `buf` is empty.
    ///
    /// # Errors
    ///
    /// As [`next_event`](Self::next_event).
    pub fn read_contents(&mut self, buf: &mut [u8]) -> Result<usize, NarReadError> {
        let ReaderState::Contents { size, missing } = self.state else { return Ok(0) };
        let wanted = usize::try_from(missing).map_or(buf.len(), |missing| missing.min(buf.len()));
        let Some(buf) = buf.get_mut(..wanted).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        self.state = ReaderState::Failed;
        let count = self.input.some(buf)?;
        self.state = ReaderState::Contents { size, missing: missing - count as u64 };
        Ok(count)
    }

    fn magic(&mut self) -> Result<(), NarReadError> {
        let mut buffer = [0; WORD_MAX];
        match self.input.word(&mut buffer) {
            Ok(wire::MAGIC) => Ok(()),
            Ok(_) | Err(NarReadError::WordTooLong { .. }) => Err(NarReadError::NotAnArchive),
            Err(error) => Err(error),
        }
    }

    fn node(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        self.input.expect(b"(", "(")?;
        self.input.expect(b"type", "type")?;
        let at = self.input.offset();
        let mut buffer = [0; WORD_MAX];
        match self.input.word(&mut buffer)? {
            b"regular" => self.regular(),
            b"symlink" => self.symlink(),
            b"directory" => {
                self.order.enter_directory()?;
                self.state = ReaderState::Directory;
                Ok(NarEvent::EnterDirectory)
            }
            found => Err(NarReadError::unexpected(at, "regular, symlink or directory", found)),
        }
    }

    fn regular(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        self.order.regular()?;
        let at = self.input.offset();
        let mut buffer = [0; WORD_MAX];
        let executable = match self.input.word(&mut buffer)? {
            b"executable" => {
                self.input.expect(b"", "an empty string")?;
                self.input.expect(b"contents", "contents")?;
                true
            }
            b"contents" => false,
            found => return Err(NarReadError::unexpected(at, "executable or contents", found)),
        };
        let size = self.input.length()?;
        self.state = ReaderState::Contents { size, missing: size };
        Ok(NarEvent::Regular { executable, size })
    }

    fn symlink(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        self.input.expect(b"target", "target")?;
        let limit = self.limits.target;
        self.input
            .string(&mut self.string, limit, |len| TreeError::TargetTooLong { len, limit })?;
        self.order.symlink(&self.string)?;
        self.end_node()?;
        Ok(NarEvent::Symlink(&self.string))
    }

    fn entry_or_leave(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        let at = self.input.offset();
        let mut buffer = [0; WORD_MAX];
        match self.input.word(&mut buffer)? {
            b"entry" => {}
            b")" => {
                self.order.leave_directory()?;
                self.end_entry()?;
                return Ok(NarEvent::LeaveDirectory);
            }
            found => return Err(NarReadError::unexpected(at, "entry or )", found)),
        }
        self.input.expect(b"(", "(")?;
        self.input.expect(b"name", "name")?;
        let limit = self.limits.name;
        self.input.string(&mut self.string, limit, |len| TreeError::NameTooLong { len, limit })?;
        self.order.entry(&self.string)?;
        self.input.expect(b"node", "node")?;
        self.state = ReaderState::Node;
        Ok(NarEvent::Entry(&self.string))
    }

    fn end_contents(&mut self, size: u64) -> Result<(), NarReadError> {
        self.input.padding(size)?;
        self.end_node()
    }

    fn end_node(&mut self) -> Result<(), NarReadError> {
        self.input.expect(b")", ")")?;
        self.end_entry()
    }

    fn end_entry(&mut self) -> Result<(), NarReadError> {
        if self.order.in_directory() {
            self.input.expect(b")", ")")?;
            self.state = ReaderState::Directory;
        } else {
            self.state = ReaderState::Trailer;
        }
        Ok(())
    }

    fn trailer(&mut self) -> Result<Option<NarEvent<'_>>, NarReadError> {
        if !self.input.is_end()? {
            return Err(NarReadError::TrailingBytes { offset: self.input.offset() });
        }
        self.state = ReaderState::End;
        Ok(None)
    }
}

/// Reads a whole archive and keeps its layout, without the contents of its files.
///
/// # Errors
///
/// As [`NarReader::next_event`], and when the layout would not fit.
pub fn read_layout(input: impl Read, limits: NarLimits) -> Result<NarLayout, NarReadError> {
    let mut reader = NarReader::new(input, limits);
    let mut builder = LayoutBuilder::new(limits);
    while let Some(event) = reader.next_event()? {
        match event {
            NarEvent::EnterDirectory => builder.enter_directory(),
            NarEvent::LeaveDirectory => builder.leave_directory(),
            NarEvent::Entry(name) => builder.entry(name),
            NarEvent::Regular { executable, size } => builder.regular(executable, size),
            NarEvent::Symlink(target) => builder.symlink(target),
        }?;
    }
    Ok(builder.finish()?)
}
