//! What the write-ahead log says of a commit: which pages of the database it wrote.
//!
//! The log is a header of 32 bytes and then frames, each 24 bytes about a page and the page. The header of the log's
//! index says how many frames are committed, and which salts they carry: with other salts a frame is of an earlier round of
//! the log. Both formats are documented by SQLite.

use std::{collections::HashMap, fs::File};

use super::change_detector::Snapshot;
use crate::nonblocking_io::NonblockingIo;

const LOG_HEADER: u64 = 32;
const FRAME_HEADER: usize = 24;

/// Frames that are looked at in one go: each is a system call.
const FEW: u32 = 1024;

/// Frames of a log whose pages are remembered.
const MOST: u32 = 262_144;

/// The header of the log's index, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) page_size: u32,
    /// Committed frames.
    pub(super) frames: u32,
    salts: [u8; 8],
}

impl LogState {
    /// Parses one of the two copies of the header. `None` for a format that is not known.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let version = u32::from_ne_bytes(field(header, 0)?);
        let page_size = match u16::from_ne_bytes(field(header, 14)?) {
            1 => 65_536,
            size => u32::from(size),
        };
        let known = version == 3_007_000 && page_size.is_power_of_two() && page_size >= 512;
        known.then_some(Self {
            page_size,
            frames: u32::from_ne_bytes(field(header, 16)?),
            salts: field(header, 32)?,
        })
    }

    /// The pages that were written since an earlier state, and the number of the schema where page 1 is among them. `None`
    /// when the log does not say that, or there are too many.
    pub(super) fn pages_since(
        &self,
        earlier: &Self,
        log: &File,
        nonblocking_io: &NonblockingIo,
    ) -> Option<Written> {
        let goes_on = self.is_same_round(earlier);
        if !goes_on || self.frames <= earlier.frames || self.frames - earlier.frames > FEW {
            return None;
        }
        let mut written = Written { pages: Vec::new(), schema: None };
        for frame in earlier.frames..self.frames {
            let page = self.page_of(frame, log, nonblocking_io)?;
            if page == 1 {
                let at = self.offset(frame) + SCHEMA_COOKIE as u64;
                written.schema = Some(read(log, at, nonblocking_io)?);
            }
            written.pages.push(page);
        }
        Some(written)
    }

    /// Whether frames of one are frames of the other.
    pub(super) fn is_same_round(&self, other: &Self) -> bool {
        self.salts == other.salts && self.page_size == other.page_size
    }

    fn page_of(&self, frame: u32, log: &File, nonblocking_io: &NonblockingIo) -> Option<u32> {
        let header: [u8; FRAME_HEADER] =
            read(log, self.offset(frame) - FRAME_HEADER as u64, nonblocking_io)?;
        let salts: [u8; 8] = field(&header, 8)?;
        (salts == self.salts).then_some(u32::from_be_bytes(field(&header, 0)?))
    }

    /// Where the page of a frame begins; the first frame is 0.
    fn offset(&self, frame: u32) -> u64 {
        let length = FRAME_HEADER as u64 + u64::from(self.page_size);
        LOG_HEADER + FRAME_HEADER as u64 + u64::from(frame) * length
    }
}

/// Where page 1 has the number of the schema.
pub(super) const SCHEMA_COOKIE: usize = 40;

/// What some commits wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) pages: Vec<u32>,
    /// The last number of the schema among them.
    pub(super) schema: Option<[u8; 4]>,
}

/// Where in the log the latest version of each page is.
#[derive(Default)]
pub(super) struct LogIndex {
    of: Option<LogState>,
    frames: HashMap<u32, u32>,
}

impl LogIndex {
    /// Brings the index nearer to this state; says whether it is there.
    pub(super) fn extend(&mut self, snapshot: &Snapshot) -> bool {
        let Snapshot { state, log, nonblocking_io, .. } = snapshot;
        let of = match self.of {
            Some(of) if of.is_same_round(state) => of,
            _ => {
                self.frames.clear();
                LogState { frames: 0, ..*state }
            }
        };
        let end = state.frames.min(of.frames.saturating_add(FEW));
        self.of = Some(of);
        if state.frames > MOST || of.frames > state.frames {
            return false;
        }
        for frame in of.frames..end {
            let Some(page) = state.page_of(frame, log, nonblocking_io) else { return false };
            self.frames.insert(page, frame);
            self.of = Some(LogState { frames: frame + 1, ..of });
        }
        end == state.frames
    }

    /// Reads a page, from the log or else from the database.
    pub(super) fn read(&self, snapshot: &Snapshot, number: u32) -> Option<Vec<u8>> {
        let Snapshot { state, database, log, nonblocking_io, .. } = snapshot;
        let mut page = vec![0; usize::try_from(state.page_size).ok()?];
        let (file, offset) = match self.frames.get(&number) {
            Some(frame) => (log, state.offset(*frame)),
            None => (database, u64::from(number.checked_sub(1)?) * u64::from(state.page_size)),
        };
        (nonblocking_io.read(file, &mut page, offset) == page.len()).then_some(page)
    }
}

fn read<const N: usize>(
    file: &File,
    offset: u64,
    nonblocking_io: &NonblockingIo,
) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (nonblocking_io.read(file, &mut bytes, offset) == N).then_some(bytes)
}

/// The bytes at an offset.
pub(super) fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}
