//! `[limits]`.

use std::num::NonZeroU64;

use rns_server::config::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, Span};

/// Limits for clients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// Open connections of all listeners for clients together. One more closes the one that has been idle for longest;
    /// where none is idle, it is closed itself. Listeners for metrics have 64 of their own.
    pub(crate) connections: usize,
    /// NARs, logs and files sent at the same time; more wait their turn, client by client. While any wait, clients that
    /// have taken nothing for ten seconds are cut off; they go on from where they were.
    pub(crate) downloads: usize,
    /// Memory for bodies on their way to clients, of all together: 512 KiB for each download, and large listings. More
    /// wait their turn as with `limits.downloads`.
    pub(crate) send_memory: ByteSize,
    /// NARs that are taken from clients at the same time. More wait their turn; one whose turn does not come within a
    /// minute is told to come back (503). While others wait, an upload of which less than 64 KiB come in 20 seconds
    /// is refused.
    pub(crate) uploads: usize,
    /// Memory for narinfos, listings, logs and the like that clients upload, of all together. More wait their turn as with
    /// `limits.uploads`.
    pub(crate) upload_memory: ByteSize,
    /// Memory for narinfos that were rendered before.
    pub(crate) narinfo_cache: ByteSize,
    /// How long the head of a request may take to arrive, each one of a connection. A TLS handshake has as long, and
    /// ten seconds at most.
    pub(crate) header_timeout: Span,
    /// How long a connection without a request stays open. Longer than a proxy's pool keeps it.
    pub(crate) idle_timeout: Span,
    /// A client that reads no byte for this long is disconnected, and one that sends none of an upload is refused; before its
    /// first byte after an eighth of this, a minute at most. Clients pause for minutes while they unpack.
    pub(crate) stall_timeout: Span,
    /// Open connections of one address, or of one IPv6 network of 64 bits; 0 is any number. More are closed. It
    /// does not count connections through a unix socket, from `access.trusted_proxies` or on `nginx.listen`.
    pub(crate) connections_per_address: u64,
    pub(crate) per_address: RawPerAddress,
    pub(crate) per_token: RawPerToken,
}

/// Limits for one address, or one IPv6 network of 64 bits. Behind a proxy the address is the one that a trusted proxy
/// states; see `access.trusted_proxies`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPerAddress {
    /// Requests that are being answered at the same time; 0 is any number. More wait their turn.
    pub(crate) requests_at_once: u64,
    /// Requests in a second; 0 is any number. More wait their turn. One whose turn would not come within a minute is
    /// told to come back (503).
    pub(crate) requests_per_second: u64,
    /// Bytes in a second; 0 is any number. More are sent later. A file that nginx sends itself is limited for each
    /// download alone.
    pub(crate) bandwidth: ByteSize,
}

/// Limits for all clients with one token or certificate together, from all their addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPerToken {
    /// As in `limits.per_address`.
    pub(crate) requests_at_once: u64,
    /// As in `limits.per_address`.
    pub(crate) requests_per_second: u64,
    /// As in `limits.per_address`.
    pub(crate) bandwidth: ByteSize,
}

impl Default for RawLimits {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            connections: limits.connections,
            downloads: limits.downloads,
            send_memory: ByteSize(limits.send_memory_bytes),
            uploads: limits.uploads,
            upload_memory: ByteSize(limits.upload_memory_bytes),
            narinfo_cache: ByteSize::of(limits.narinfo_cache_bytes),
            header_timeout: Span(limits.header_timeout),
            idle_timeout: Span(limits.idle_timeout),
            stall_timeout: Span(limits.stall_timeout),
            connections_per_address: limits.connections_per_address.map_or(0, NonZeroU64::get),
            per_address: RawPerAddress::default(),
            per_token: RawPerToken::default(),
        }
    }
}
