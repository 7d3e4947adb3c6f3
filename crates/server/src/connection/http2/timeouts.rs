//! How long a client may take.

use std::time::Duration;

use crate::response::send_budget::Pressure;

/// Timeouts of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Timeouts {
    /// Until the first bytes of the protocol have come.
    pub(crate) header: Duration,
    /// For which a client may take nothing of a stream.
    pub(crate) stall: Duration,
    /// Under which it may be for less.
    pub(crate) pressure: Pressure,
}
