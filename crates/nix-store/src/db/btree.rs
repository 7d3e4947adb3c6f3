//! A row as it is in the pages of the database, and which pages those are.
//!
//! A row that no commit has moved or altered is still reached through the same pages with the same bytes. So when none of
//! these was written, the row is what it was; and when one was, the bytes can be compared without a statement. The
//! format of pages is documented by SQLite.

use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
};

use super::wal::field;

const TABLE_INTERIOR: u8 = 5;
const TABLE_LEAF: u8 = 13;
const INDEX_INTERIOR: u8 = 2;
const INDEX_LEAF: u8 = 10;

/// Levels of a tree; SQLite has no more.
const DEEPEST: usize = 20;

/// Pages that a row may depend on; one that depends on more is looked up each time.
const MOST: usize = 64;

/// Looks at pages for one row. In a damaged database many ways can lead through few pages.
const MOST_LOOKS: usize = 512;

/// What may be reserved at the end of a page, and what the longest row that fits into a page leaves free.
const RESERVED: usize = 255 + 35;

/// Reads the page of a number.
pub(super) trait ReadPage {
    /// `None` when it cannot be read.
    fn read_page(&mut self, number: u32) -> Option<Arc<[u8]>>;
}

/// Where the two tables begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roots {
    /// The table of valid paths, by their numbers.
    pub(super) paths: u32,
    /// The index of references, by referrer and then by reference.
    pub(super) references: u32,
}

/// What was read of a row, of its references and of the rows of these.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// The pages it was in, and those that led there.
    pub(super) pages: Vec<u32>,
    /// A hash of the bytes.
    pub(super) contents: u64,
}

/// Reads a row. `None` when there is none, or it does not fit into a page, or refers to very many others.
pub(super) fn trace(pages: &mut impl ReadPage, roots: Roots, row: i64) -> Option<Trace> {
    let mut reader = Reader { pages, found: Vec::new(), looks: 0, contents: DefaultHasher::new() };
    reader.row(roots.paths, row)?;
    let mut references = Vec::new();
    reader.entries(roots.references, row, DEEPEST, &mut references)?;
    for reference in references {
        reader.contents.write_i64(reference);
        reader.row(roots.paths, reference)?;
    }
    Some(Trace { pages: reader.found, contents: reader.contents.finish() })
}

struct Reader<'a, P> {
    pages: &'a mut P,
    found: Vec<u32>,
    looks: usize,
    contents: DefaultHasher,
}

impl<P: ReadPage> Reader<'_, P> {
    fn page(&mut self, number: u32) -> Option<Page> {
        if !self.found.contains(&number) {
            self.found.push(number);
        }
        self.looks += 1;
        if self.found.len() > MOST || self.looks > MOST_LOOKS {
            return None;
        }
        self.pages.read_page(number).map(Page)
    }

    fn row(&mut self, root: u32, row: i64) -> Option<()> {
        let mut number = root;
        for _ in 0..DEEPEST {
            let page = self.page(number)?;
            match page.kind()? {
                TABLE_INTERIOR => {
                    let key = |cell: &[u8]| Some(varint(cell.get(4..)?)?.0);
                    number = page.child(page.first(|cell| Some(key(cell)? >= row))?)?;
                }
                TABLE_LEAF => {
                    let key = |cell: &[u8]| Some(varint(cell.get(varint(cell)?.1..)?)?.0);
                    let cell = page.cell(page.first(|cell| Some(key(cell)? >= row))?)?;
                    let (length, after) = varint(cell)?;
                    let (found, taken) = varint(cell.get(after..)?)?;
                    let length = usize::try_from(length).ok()?;
                    // Longer rows go on in other pages.
                    if found != row || length + RESERVED > page.0.len() {
                        return None;
                    }
                    self.contents.write(cell.get(after + taken..)?.get(..length)?);
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    /// The second numbers of all entries whose first is this one.
    fn entries(
        &mut self,
        number: u32,
        first: i64,
        deepest: usize,
        seconds: &mut Vec<i64>,
    ) -> Option<()> {
        let deepest = deepest.checked_sub(1)?;
        let page = self.page(number)?;
        let skip = match page.kind()? {
            INDEX_INTERIOR => 4,
            INDEX_LEAF => 0,
            _ => return None,
        };
        let key = |cell: &[u8]| numbers(cell.get(skip..)?);
        let begin = page.first(|cell| Some(key(cell)?.0 >= first))?;
        let end = page.first(|cell| Some(key(cell)?.0 > first))?;
        for index in begin..=end {
            if skip > 0 {
                self.entries(page.child(index)?, first, deepest, seconds)?;
            }
            if index < end {
                if seconds.len() >= MOST_LOOKS {
                    return None;
                }
                seconds.push(key(page.cell(index)?)?.1);
            }
        }
        Some(())
    }
}

struct Page(Arc<[u8]>);

impl Page {
    fn kind(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn is_leaf(&self) -> bool {
        matches!(self.kind(), Some(TABLE_LEAF | INDEX_LEAF))
    }

    fn count(&self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(field(&self.0, 3)?)))
    }

    fn cell(&self, index: usize) -> Option<&[u8]> {
        let pointers = if self.is_leaf() { 8 } else { 12 };
        let at = u16::from_be_bytes(field(&self.0, pointers + 2 * index)?);
        self.0.get(usize::from(at)..).filter(|_| self.count().is_some_and(|count| index < count))
    }

    /// The child before the cell of this index; the last one is behind all cells.
    fn child(&self, index: usize) -> Option<u32> {
        let bytes =
            if index == self.count()? { field(&self.0, 8) } else { field(self.cell(index)?, 0) };
        bytes.map(u32::from_be_bytes)
    }

    /// The first cell of which something is true, that is true of all behind it; the number of cells where there is none.
    fn first(&self, is_it: impl Fn(&[u8]) -> Option<bool>) -> Option<usize> {
        let (mut low, mut high) = (0, self.count()?);
        while low < high {
            let middle = low.midpoint(high);
            if is_it(self.cell(middle)?)? { high = middle } else { low = middle + 1 }
        }
        Some(low)
    }
}

/// The first two numbers of an index entry.
fn numbers(cell: &[u8]) -> Option<(i64, i64)> {
    let (length, after) = varint(cell)?;
    let record = cell.get(after..)?.get(..usize::try_from(length).ok()?)?;
    let (header, at) = varint(record)?;
    let (first, next) = varint(record.get(at..)?)?;
    let (second, _) = varint(record.get(at + next..)?)?;
    let values = record.get(usize::try_from(header).ok()?..)?;
    let (first, taken) = number(first, values)?;
    let (second, _) = number(second, values.get(taken..)?)?;
    Some((first, second))
}

/// A number of this type, and how many bytes it takes. `None` for what is no number.
fn number(kind: i64, bytes: &[u8]) -> Option<(i64, usize)> {
    let length = match kind {
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 => 8,
        8 => return Some((0, 0)),
        9 => return Some((1, 0)),
        _ => return None,
    };
    let bytes = bytes.get(..length)?;
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { -1 };
    Some((bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte)), length))
}

/// A number of up to nine bytes, and how many it takes.
fn varint(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some(((value << 8 | u64::from(*byte)).cast_signed(), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value.cast_signed(), index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row without contents in page 1, and an index where both ways out of each page lead to the next one.
    struct Ladder {
        reads: usize,
    }

    const LAST: u32 = 16;

    impl ReadPage for Ladder {
        fn read_page(&mut self, number: u32) -> Option<Arc<[u8]>> {
            self.reads += 1;
            let mut page = vec![0; 512];
            let [.., below] = (number + 1).to_be_bytes();
            let (kind, pointers, cell): (u8, usize, &[u8]) = match number {
                1 => (TABLE_LEAF, 8, &[1, 7, 1]),
                LAST => (INDEX_LEAF, 8, &[5, 3, 1, 1, 7, 7]),
                _ => (INDEX_INTERIOR, 12, &[0, 0, 0, below, 5, 3, 1, 1, 7, 7]),
            };
            page[0] = kind;
            page[3..5].copy_from_slice(&1_u16.to_be_bytes());
            if kind == INDEX_INTERIOR {
                page[11] = below;
            }
            page[pointers..pointers + 2].copy_from_slice(&100_u16.to_be_bytes());
            page[100..100 + cell.len()].copy_from_slice(cell);
            Some(page.into())
        }
    }

    #[test]
    fn many_ways_through_few_pages_are_given_up_soon() {
        let of = |references| {
            let mut pages = Ladder { reads: 0 };
            let found = trace(&mut pages, Roots { paths: 1, references }, 7);
            (found.is_some(), pages.reads)
        };
        // The row, one leaf with a reference to itself, the row again.
        assert_eq!(of(LAST), (true, 3));
        assert_eq!(of(2), (false, MOST_LOOKS));
    }
}
