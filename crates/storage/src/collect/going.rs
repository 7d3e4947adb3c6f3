//! The paths that would go, as they are remembered for a while.

use std::time::SystemTime;

use super::verdict::{Amount, Cause, Reason};

/// The paths that would go, and the amounts that would stay.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub(crate) as_of: SystemTime,
    pub(crate) kept: [Amount; Reason::ALL.len()],
    pub(crate) freed: [Amount; Cause::ALL.len()],
    /// In the order in which they go.
    pub(crate) going: Vec<GoingRow>,
}

/// A path that would go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoingRow {
    pub(crate) id: i64,
    pub(crate) cause: Cause,
    /// Bytes of its NAR as it is stored.
    pub(crate) bytes: u64,
    /// When it was last asked for, in seconds since 1970.
    pub(crate) last_use: u32,
}
