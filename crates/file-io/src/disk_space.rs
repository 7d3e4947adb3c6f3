//! The room on the disk that a file is on.

use std::{io, path::Path};

use rns_cache::DiskSpace;

/// The room on the disk that holds this file or directory. It blocks where the disk is a network's.
///
/// # Errors
/// When it is not there, or the disk does not answer.
pub fn disk_space(path: &Path) -> io::Result<DiskSpace> {
    let found = rustix::fs::statvfs(path)?;
    // Some blocks are for root alone.
    let reserved = found.f_bfree.saturating_sub(found.f_bavail);
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(DiskSpace {
        total: bytes(found.f_blocks.saturating_sub(reserved)),
        available: bytes(found.f_bavail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_and_no_more_than_it_is_large() {
        let space = disk_space(Path::new("/")).unwrap();
        assert!(space.total > 0 && space.available <= space.total, "{space:?}");
        assert!(disk_space(Path::new("/there-is-no-such-directory")).is_err());
    }
}
