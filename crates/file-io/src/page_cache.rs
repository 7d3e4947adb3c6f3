//! Whether the kernel has part of a file in memory.

use std::os::fd::{AsFd, AsRawFd as _};

/// Number of `cachestat(2)`, which Linux has had since 6.5, on every architecture that Nix runs on.
const CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct Range {
    offset: u64,
    len: u64,
}

#[repr(C)]
#[derive(Default)]
struct CachedPages {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Whether all of these bytes are in memory, so that sending them needs no disk.
///
/// Where that cannot be known (an older kernel, a file of another user, a file system with a memory of its own) they are
/// not.
pub(crate) fn is_resident(file: impl AsFd, offset: u64, len: u64) -> bool {
    let page = rustix::param::page_size() as u64;
    let (first, end) = (offset / page, offset.saturating_add(len).div_ceil(page));
    cached_pages(file, offset, len).is_some_and(|cached| cached >= end - first)
}

#[expect(unsafe_code, reason = "no library has this system call")]
fn cached_pages(file: impl AsFd, offset: u64, len: u64) -> Option<u64> {
    let range = Range { offset, len };
    let mut found = CachedPages::default();
    // SAFETY: both pointers are to values of the layout that the kernel expects, which live until it returns; it reads
    // the first and writes the second.
    let result = unsafe {
        libc::syscall(CACHESTAT, file.as_fd().as_raw_fd(), &raw const range, &raw mut found, 0_u32)
    };
    (result == 0).then_some(found.cached)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_was_written_just_now_is_in_memory_and_what_is_behind_the_end_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        if cached_pages(&file, 0, 1).is_none() {
            // A kernel before 6.5, or a filter of system calls: files are read instead.
            return;
        }
        assert!(is_resident(&file, 0, 100_000));
        assert!(is_resident(&file, 4095, 2));
        assert!(is_resident(&file, 99_999, 1));
        assert!(!is_resident(&file, 90_000, 50_000));
        assert!(!is_resident(&file, 1 << 40, 4096));
    }
}
