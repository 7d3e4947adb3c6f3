//! Reading an archive, and nothing but the canonical form of one.

use std::io::{self, BufRead, BufReader, Read};

use super::build::{LayoutBuilder, LayoutError};
use super::layout::NarLayout;
use super::limits::{NarLimits, TreeError};
use super::order::Order;
use super::wire;

/// Longest of the fixed words: `nix-archive-1` has 13 bytes, and Nix allows 32.
const WORD_MAX: usize = 32;

/// Reads one archive from `R`, which must end where the archive ends.
///
/// Accepts exactly what [`NarWriter`](super::NarWriter) can write. Memory is bounded by the limits, whatever comes;
/// file contents are passed on in pieces. After an error the archive is worthless and every further call fails.
#[derive(Debug)]
pub struct NarReader<R> {
    input: BufReader<R>,
    limits: NarLimits,
    order: Order,
    state: State,
    offset: u64,
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
enum State {
    Start,
    Node,
    Directory,
    Contents { size: u64, missing: u64 },
    Trailer,
    End,
    Failed,
}

impl<R: Read> NarReader<R> {
    /// Starts reading. Nothing is read yet.
    #[must_use]
    pub fn new(input: R, limits: NarLimits) -> Self {
        Self {
            input: BufReader::with_capacity(64 << 10, input),
            limits,
            order: Order::new(limits),
            state: State::Start,
            offset: 0,
            string: Vec::new(),
        }
    }

    /// Number of bytes of the archive that were read so far. Right after [`NarEvent::Regular`] that is where its contents begin.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next part; contents of the latest file that were not read are skipped. `None` when the archive and the input have
    /// both ended.
    ///
    /// # Errors
    ///
    /// When the input is not a canonical archive within the limits, when it ends early or goes on after the archive, or when
    /// reading fails.
    pub fn next_event(&mut self) -> Result<Option<NarEvent<'_>>, NarReadError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Start => {
                self.magic()?;
                self.node().map(Some)
            }
            State::Node => self.node().map(Some),
            State::Directory => self.entry_or_leave().map(Some),
            State::Contents { size, missing } => {
                self.skip(missing)?;
                self.end_contents(size)?;
                match self.state {
                    State::Directory => self.entry_or_leave().map(Some),
                    _ => self.trailer(),
                }
            }
            State::Trailer => self.trailer(),
            State::End => {
                self.state = State::End;
                Ok(None)
            }
            State::Failed => Err(NarReadError::Failed),
        }
    }

    /// Reads contents of the file that the latest event announced. Returns 0 when all of them were read, or when `buf` is empty.
    ///
    /// # Errors
    ///
    /// As [`next_event`](Self::next_event).
    pub fn read_contents(&mut self, buf: &mut [u8]) -> Result<usize, NarReadError> {
        let State::Contents { size, missing } = self.state else { return Ok(0) };
        let wanted = usize::try_from(missing).map_or(buf.len(), |missing| missing.min(buf.len()));
        let Some(buf) = buf.get_mut(..wanted).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        self.state = State::Failed;
        let count = loop {
            match self.input.read(buf) {
                Ok(0) => return Err(NarReadError::Truncated { offset: self.offset }),
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        self.offset += count as u64;
        self.state = State::Contents { size, missing: missing - count as u64 };
        Ok(count)
    }

    fn magic(&mut self) -> Result<(), NarReadError> {
        let mut buffer = [0; WORD_MAX];
        match self.word(&mut buffer) {
            Ok(wire::MAGIC) => Ok(()),
            Ok(_) | Err(NarReadError::WordTooLong { .. }) => Err(NarReadError::NotAnArchive),
            Err(error) => Err(error),
        }
    }

    fn node(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        self.expect(b"(", "(")?;
        self.expect(b"type", "type")?;
        let at = self.offset;
        let mut buffer = [0; WORD_MAX];
        match self.word(&mut buffer)? {
            b"regular" => self.regular(),
            b"symlink" => self.symlink(),
            b"directory" => {
                self.order.enter_directory()?;
                self.state = State::Directory;
                Ok(NarEvent::EnterDirectory)
            }
            found => Err(unexpected(at, "regular, symlink or directory", found)),
        }
    }

    fn regular(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        self.order.regular()?;
        let at = self.offset;
        let mut buffer = [0; WORD_MAX];
        let executable = match self.word(&mut buffer)? {
            b"executable" => {
                self.expect(b"", "an empty string")?;
                self.expect(b"contents", "contents")?;
                true
            }
            b"contents" => false,
            found => return Err(unexpected(at, "executable or contents", found)),
        };
        let size = self.length()?;
        self.state = State::Contents { size, missing: size };
        Ok(NarEvent::Regular { executable, size })
    }

    fn symlink(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        self.expect(b"target", "target")?;
        let limit = self.limits.target;
        self.string(limit, |len| TreeError::TargetTooLong { len, limit })?;
        self.order.symlink(&self.string)?;
        self.end_node()?;
        Ok(NarEvent::Symlink(&self.string))
    }

    fn entry_or_leave(&mut self) -> Result<NarEvent<'_>, NarReadError> {
        let at = self.offset;
        let mut buffer = [0; WORD_MAX];
        match self.word(&mut buffer)? {
            b"entry" => {}
            b")" => {
                self.order.leave_directory()?;
                self.end_entry()?;
                return Ok(NarEvent::LeaveDirectory);
            }
            found => return Err(unexpected(at, "entry or )", found)),
        }
        self.expect(b"(", "(")?;
        self.expect(b"name", "name")?;
        let limit = self.limits.name;
        self.string(limit, |len| TreeError::NameTooLong { len, limit })?;
        self.order.entry(&self.string)?;
        self.expect(b"node", "node")?;
        self.state = State::Node;
        Ok(NarEvent::Entry(&self.string))
    }

    fn end_contents(&mut self, size: u64) -> Result<(), NarReadError> {
        self.padding(size)?;
        self.end_node()
    }

    fn end_node(&mut self) -> Result<(), NarReadError> {
        self.expect(b")", ")")?;
        self.end_entry()
    }

    fn end_entry(&mut self) -> Result<(), NarReadError> {
        if self.order.in_directory() {
            self.expect(b")", ")")?;
            self.state = State::Directory;
        } else {
            self.state = State::Trailer;
        }
        Ok(())
    }

    fn trailer(&mut self) -> Result<Option<NarEvent<'_>>, NarReadError> {
        self.state = State::Failed;
        if !self.fill()?.is_empty() {
            return Err(NarReadError::TrailingBytes { offset: self.offset });
        }
        self.state = State::End;
        Ok(None)
    }

    /// Reads a string of at most `limit` bytes into `self.string`.
    fn string(
        &mut self,
        limit: usize,
        too_long: impl FnOnce(u64) -> TreeError,
    ) -> Result<(), NarReadError> {
        let len = self.length()?;
        let Some(count) = usize::try_from(len).ok().filter(|&count| count <= limit) else {
            return Err(too_long(len).into());
        };
        let mut string = std::mem::take(&mut self.string);
        string.resize(count, 0);
        let read = self.exact(&mut string);
        self.string = string;
        read?;
        self.padding(len)
    }

    /// Reads one of the fixed words.
    fn word<'b>(&mut self, buffer: &'b mut [u8; WORD_MAX]) -> Result<&'b [u8], NarReadError> {
        let at = self.offset;
        let len = self.length()?;
        let Some(word) = usize::try_from(len).ok().and_then(|len| buffer.get_mut(..len)) else {
            return Err(NarReadError::WordTooLong { offset: at, len });
        };
        self.exact(word)?;
        self.padding(len)?;
        Ok(word)
    }

    fn expect(&mut self, want: &[u8], expected: &'static str) -> Result<(), NarReadError> {
        let at = self.offset;
        let mut buffer = [0; WORD_MAX];
        let found = self.word(&mut buffer)?;
        if found == want { Ok(()) } else { Err(unexpected(at, expected, found)) }
    }

    fn length(&mut self) -> Result<u64, NarReadError> {
        let mut word = [0; 8];
        self.exact(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn padding(&mut self, len: u64) -> Result<(), NarReadError> {
        let at = self.offset;
        let mut padding = [0; 8];
        if let Some(padding) = padding.get_mut(..wire::padding(len)) {
            self.exact(padding)?;
        }
        if padding == [0; 8] { Ok(()) } else { Err(NarReadError::Padding { offset: at }) }
    }

    fn exact(&mut self, buf: &mut [u8]) -> Result<(), NarReadError> {
        match self.input.read_exact(buf) {
            Ok(()) => {
                self.offset += buf.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(NarReadError::Truncated { offset: self.offset })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn skip(&mut self, mut missing: u64) -> Result<(), NarReadError> {
        while missing > 0 {
            let available = self.fill()?.len();
            if available == 0 {
                return Err(NarReadError::Truncated { offset: self.offset });
            }
            let count =
                usize::try_from(missing).map_or(available, |missing| missing.min(available));
            self.input.consume(count);
            self.offset += count as u64;
            missing -= count as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<&[u8], NarReadError> {
        while let Err(error) = self.input.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        // Asks the input again only when it has ended.
        Ok(self.input.fill_buf()?)
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

/// Why something is not an archive, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NarReadError {
    /// It does not begin as an archive does.
    #[error("this is not a Nix archive")]
    NotAnArchive,
    /// It ends before the archive is complete.
    #[error("the archive ends at byte {offset}, before it is complete")]
    Truncated {
        /// Number of bytes that were there and made sense.
        offset: u64,
    },
    /// Bytes follow after the archive.
    #[error("the archive ends at byte {offset}, but more bytes follow")]
    TrailingBytes {
        /// Length of the archive proper.
        offset: u64,
    },
    /// A word is not the one that a canonical archive has here.
    #[error("at byte {offset} of the archive: expected {expected}, found \"{}\"", .found.escape_ascii())]
    Unexpected {
        /// Where the word begins.
        offset: u64,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: Box<[u8]>,
    },
    /// A word is longer than any that archives use.
    #[error("at byte {offset} of the archive: a word of {len} bytes")]
    WordTooLong {
        /// Where the word begins.
        offset: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// The bytes that fill a string up to a multiple of 8 are not zero.
    #[error("at byte {offset} of the archive: padding that is not zero")]
    Padding {
        /// Where the padding begins.
        offset: u64,
    },
    /// The tree breaks a rule or a limit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The archive is too large to be laid out.
    #[error("the archive is too large")]
    TooLarge,
    /// An earlier call failed already.
    #[error("reading the archive failed before")]
    Failed,
    /// Reading failed.
    #[error("reading the archive")]
    Io(#[from] io::Error),
}

impl From<LayoutError> for NarReadError {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Tree(error) => Self::Tree(error),
            LayoutError::TooLarge => Self::TooLarge,
        }
    }
}

fn unexpected(offset: u64, expected: &'static str, found: &[u8]) -> NarReadError {
    NarReadError::Unexpected { offset, expected, found: found.into() }
}
