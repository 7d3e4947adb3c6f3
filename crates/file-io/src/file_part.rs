//! Parts of files that the kernel has in memory.

use std::{ops::Range, os::fd::OwnedFd, sync::Arc};

use rns_cache::FilePart;

use crate::page_cache::is_resident;

/// The first bytes of `range`. `None` when they are not all in memory, or when that cannot be known.
#[must_use]
pub fn resident(file: &Arc<OwnedFd>, range: &Range<u64>) -> Option<FilePart> {
    let left = range.end.saturating_sub(range.start);
    let len = usize::try_from(left).map_or(FilePart::MAX_LEN, |left| left.min(FilePart::MAX_LEN));
    let is_last = len as u64 == left;
    let is_here = len > 0 && is_resident(file, range.start, len as u64);
    is_here.then(|| FilePart { file: Arc::clone(file), offset: range.start, len, is_last })
}
