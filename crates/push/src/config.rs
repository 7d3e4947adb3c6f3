//! The way to push.

use std::path::PathBuf;

use rns_client::Liveness;
use rns_formats::SecretKey;

/// The way to push.
pub struct PushConfig {
    /// The level of zstd.
    pub level: i32,
    /// NARs on their way at the same time.
    pub jobs: usize,
    /// Keys that sign.
    pub keys: Vec<SecretKey>,
    /// Only the named paths, without their references.
    pub roots_only: bool,
    /// Whether the listings of their NARs are sent, where they are not there.
    pub listings: bool,
    /// Whether the logs of their builds are sent, where this store has them and they are not there.
    pub logs: bool,
    /// The directory for packed NARs that are not small.
    pub scratch: PathBuf,
    /// Is told of every step and of bytes that move.
    pub liveness: Liveness,
}
