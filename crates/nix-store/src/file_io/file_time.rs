//! Times of files.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment of the clock that file systems use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileTime {
    /// Nanoseconds since 1970.
    nanos: i64,
}

impl FileTime {
    pub(crate) fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { nanos: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// When contents or attributes of a file were last changed; no program can set this time back.
    pub(crate) fn changed(stat: &rustix::fs::Stat) -> Self {
        let fraction = i64::try_from(stat.st_ctime_nsec).unwrap_or(0);
        Self { nanos: stat.st_ctime.saturating_mul(1_000_000_000).saturating_add(fraction) }
    }

    pub(crate) const NEVER: Self = Self { nanos: i64::MIN };

    /// Whether a file that was changed at this time may have changed since `moment`. Some file systems know
    /// whole seconds only.
    pub(crate) const fn may_be_since(self, moment: Self) -> bool {
        self.nanos.div_euclid(1_000_000_000) >= moment.nanos.div_euclid(1_000_000_000)
    }
}
