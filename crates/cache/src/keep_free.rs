//! How much of a disk is kept free.

/// The part of a disk that is kept free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepFree {
    /// So many hundredths of it.
    Percent(u8),
    /// So many bytes.
    Bytes(u64),
}

/// The room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes in use and bytes free, as far as ordinary users may have them.
    pub total: u64,
    /// Bytes that ordinary users may still write.
    pub available: u64,
}

impl KeepFree {
    /// The bytes that are to be free on a disk. No disk has more free than it is large.
    #[must_use]
    pub fn bytes(self, space: DiskSpace) -> u64 {
        match self {
            Self::Percent(part) => space.total / 100 * u64::from(part.min(100)),
            Self::Bytes(bytes) => bytes.min(space.total),
        }
    }

    /// The bytes that are missing on a disk; 0 where enough is free.
    #[must_use]
    pub fn missing(self, space: DiskSpace) -> u64 {
        self.bytes(space).saturating_sub(space.available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_from_what_users_may_write() {
        let space = DiskSpace { total: 1000, available: 150 };
        assert_eq!(KeepFree::Percent(20).missing(space), 50);
        assert_eq!(KeepFree::Percent(15).missing(space), 0);
        assert_eq!(KeepFree::Bytes(151).missing(space), 1);
        assert_eq!(KeepFree::Bytes(u64::MAX).missing(space), 850);
    }
}
