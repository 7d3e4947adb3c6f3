//! An archive as an index: where its bytes come from, without holding the contents of its files.

use std::fmt;

use super::nodes::{NodeRecord, Nodes};

/// The archive of one tree as an ordered list of segments, each either literal bytes or a slice of
/// a file.
///
/// It tells the exact length of the archive, finds any byte of it in `O(log files)`, and holds
/// everything a listing says. Built by [`LayoutBuilder`](super::LayoutBuilder); immutable; about
/// 240 bytes per file.
pub struct NarLayout {
    /// Every byte of the archive that is not file contents, in order.
    literals: Box<[u8]>,
    /// In the order of the archive, so both offsets increase strictly.
    files: Box<[FileRecord]>,
    nodes: Box<[NodeRecord]>,
    nar_size: u64,
    /// Number of literal bytes before the first file that has any contents.
    head_end: u32,
}

/// One regular file of an archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileSlice {
    /// Where in the archive the contents begin.
    pub nar_offset: u64,
    /// Length of the contents in bytes.
    pub size: u64,
    /// Whether the file is marked executable.
    pub executable: bool,
}

/// A run of bytes of an archive. Never empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Segment<'a> {
    /// The bytes themselves.
    Literal(&'a [u8]),
    /// Bytes of a file's contents.
    File {
        /// Which file, counted in the order of the archive.
        index: usize,
        /// Where in the file the bytes begin.
        offset: u64,
        /// How many they are.
        len: u64,
    },
}

/// A place in an archive from which [`NarLayout::next_segment`] goes on. Made by
/// [`NarLayout::position`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    offset: u64,
    /// Number of files whose contents begin at or before `offset`.
    files_begun: usize,
}

/// The segments of an archive from some offset to its end.
#[derive(Clone, Debug)]
pub struct SegmentCursor<'a> {
    layout: &'a NarLayout,
    position: Position,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct FileRecord {
    pub(super) nar_offset: u64,
    pub(super) size: u64,
    /// Number of literal bytes before the contents.
    pub(super) literal: u32,
    /// Number of literal bytes before the next file that has any contents: empty files do not cut a
    /// literal run in two.
    pub(super) run_end: u32,
    pub(super) node: u32,
    pub(super) executable: bool,
}

impl NarLayout {
    pub(super) fn new(
        literals: Vec<u8>,
        mut files: Vec<FileRecord>,
        nodes: Vec<NodeRecord>,
    ) -> Self {
        // The builder keeps the literals below 4 GiB.
        let mut run_end = literals.len() as u32;
        for file in files.iter_mut().rev() {
            file.run_end = run_end;
            if file.size > 0 {
                run_end = file.literal;
            }
        }
        // The builder refuses contents that would make this overflow.
        let contents = files.last().map_or(0, FileRecord::contents_through);
        Self {
            nar_size: contents + literals.len() as u64,
            literals: literals.into_boxed_slice(),
            files: files.into_boxed_slice(),
            nodes: nodes.into_boxed_slice(),
            head_end: run_end,
        }
    }

    /// Length of the whole archive in bytes.
    #[must_use]
    pub const fn nar_size(&self) -> u64 {
        self.nar_size
    }

    /// Memory that this layout takes, in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.literals)
            + size_of_val(&*self.files)
            + size_of_val(&*self.nodes)
    }

    /// Number of regular files, empty ones included.
    #[must_use]
    pub const fn files(&self) -> usize {
        self.files.len()
    }

    /// The regular file number `index`, in the order of the archive. `None` when there are fewer.
    #[must_use]
    pub fn file(&self, index: usize) -> Option<FileSlice> {
        self.files.get(index).map(|file| FileSlice {
            nar_offset: file.nar_offset,
            size: file.size,
            executable: file.executable,
        })
    }

    /// The names on the way from the root to file number `index`: none when the root itself is that
    /// file. `None` when there are fewer files.
    #[must_use]
    pub fn file_path(&self, index: usize) -> Option<Vec<&[u8]>> {
        let node = self.files.get(index)?.node;
        Some(self.nodes().path(node as usize))
    }

    /// Every node of the tree, in the order of the archive.
    #[must_use]
    pub const fn nodes(&self) -> Nodes<'_> {
        Nodes::new(&self.literals, &self.nodes)
    }

    /// The segment that holds the byte at `offset` of the archive, from that byte to the segment's
    /// end. `None` at or after the end of the archive.
    #[must_use]
    pub fn segment_at(&self, offset: u64) -> Option<Segment<'_>> {
        self.segment(self.position(offset))
    }

    /// The place at `offset` of the archive, found in `O(log files)`.
    #[must_use]
    pub fn position(&self, offset: u64) -> Position {
        Position {
            offset,
            files_begun: self.files.partition_point(|file| file.nar_offset <= offset),
        }
    }

    /// The bytes at `position`, at most `max_len` of them, and moves `position` behind them. `None`
    /// at the end of the archive, or when `max_len` is 0. The position must come from this layout.
    ///
    /// Going through a whole archive costs `O(1)` per segment.
    pub fn next_segment(&self, position: &mut Position, max_len: u64) -> Option<Segment<'_>> {
        let segment = self.segment(*position)?.truncate(max_len)?;
        position.offset += segment.len();
        while self
            .files
            .get(position.files_begun)
            .is_some_and(|file| file.nar_offset <= position.offset)
        {
            position.files_begun += 1;
        }
        Some(segment)
    }

    /// The segments from `offset` to the end of the archive.
    #[must_use]
    pub fn segments_from(&self, offset: u64) -> SegmentCursor<'_> {
        SegmentCursor { layout: self, position: self.position(offset) }
    }

    fn segment(&self, position: Position) -> Option<Segment<'_>> {
        let Position { offset, files_begun } = position;
        let Some(index) = files_begun.checked_sub(1) else {
            return self.literal(usize::try_from(offset).ok()?, self.head_end as usize);
        };
        let file = self.files.get(index)?;
        let within = offset.checked_sub(file.nar_offset)?;
        match within.checked_sub(file.size) {
            None => Some(Segment::File { index, offset: within, len: file.size - within }),
            Some(behind) => {
                let start = usize::try_from(behind).ok()?.checked_add(file.literal as usize)?;
                self.literal(start, file.run_end as usize)
            }
        }
    }

    fn literal(&self, start: usize, end: usize) -> Option<Segment<'_>> {
        self.literals.get(start..end).filter(|bytes| !bytes.is_empty()).map(Segment::Literal)
    }
}

impl fmt::Debug for NarLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NarLayout")
            .field("nar_size", &self.nar_size)
            .field("files", &self.files.len())
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Segment<'a> {
    /// Number of bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub const fn len(&self) -> u64 {
        match self {
            Self::Literal(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// At most the first `max` bytes; `None` when `max` is 0.
    fn truncate(self, max: u64) -> Option<Self> {
        if max == 0 {
            return None;
        }
        Some(match self {
            Self::Literal(bytes) => Self::Literal(
                usize::try_from(max).ok().and_then(|max| bytes.get(..max)).unwrap_or(bytes),
            ),
            Self::File { index, offset, len } => Self::File { index, offset, len: len.min(max) },
        })
    }
}

impl Position {
    /// Offset in the archive.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

impl<'a> Iterator for SegmentCursor<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        self.layout.next_segment(&mut self.position, u64::MAX)
    }
}

impl FileRecord {
    /// Bytes of file contents in the archive up to and including this file.
    fn contents_through(&self) -> u64 {
        self.nar_offset - u64::from(self.literal) + self.size
    }
}
