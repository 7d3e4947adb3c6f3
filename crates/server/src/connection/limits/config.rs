//! Limits of clients.

use std::{num::NonZeroU64, time::Duration};

/// Limits of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of all listeners together.
    pub connections: usize,
    /// Time for the head of a request to arrive.
    pub header_timeout: Duration,
    /// How long a connection without a request stays open.
    pub idle_timeout: Duration,
    /// A reader that takes no byte for this long is cut off. At least five minutes: clients
    /// pause for minutes while they unpack.
    pub stall_timeout: Duration,
    /// NARs, logs and files streamed at the same time; more wait their turn.
    pub downloads: usize,
    /// Memory for bodies on their way to clients, in bytes.
    pub send_memory_bytes: u64,
    /// NARs taken from clients at the same time; more wait their turn.
    pub uploads: usize,
    /// Memory for other objects that clients upload, in bytes.
    pub upload_memory_bytes: u64,
    /// Memory for rendered narinfos, in bytes.
    pub narinfo_cache_bytes: usize,
    /// Open connections of one address. None: as many as there are.
    pub connections_per_address: Option<NonZeroU64>,
    /// Limits of one address.
    pub per_address: ClientLimits,
    /// Limits of all holders of one token together.
    pub per_token: ClientLimits,
}

/// Limits of one client; None is any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests that are being answered at the same time; more wait their turn.
    pub requests_at_once: Option<NonZeroU64>,
    /// Requests; more wait their turn.
    pub requests_per_second: Option<NonZeroU64>,
    /// Bytes of bodies per second; more are sent later.
    pub bandwidth: Option<NonZeroU64>,
}

impl ClientLimits {
    /// Whether anything is limited.
    pub(crate) fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

impl Limits {
    /// The bandwidth of one answer, where that is limited: the smaller of the two.
    pub(crate) fn bandwidth_of_one(&self) -> Option<NonZeroU64> {
        [self.per_address.bandwidth, self.per_token.bandwidth].into_iter().flatten().min()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(900),
            downloads: 1024,
            send_memory_bytes: 256 << 20,
            uploads: 64,
            upload_memory_bytes: 128 << 20,
            narinfo_cache_bytes: 32 << 20,
            connections_per_address: None,
            per_address: ClientLimits::default(),
            per_token: ClientLimits::default(),
        }
    }
}
