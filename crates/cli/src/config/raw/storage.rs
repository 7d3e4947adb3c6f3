//! `[storage]`: a binary cache in a directory or bucket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::ByteSize;

/// Memory for narinfos of the storage, in bytes.
const DEFAULT_MEMORY: u64 = 32 << 20;

/// A binary cache in a directory or bucket, in the layout that `nix copy --to file://…` writes: served beside the local
/// store, which comes first, or instead of it. Paths are signed by the same policies.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStorage {
    /// `file:///a/directory`, or `s3://bucket/prefix` with the parameters of Nix's own URLs: `region`, `endpoint`,
    /// `profile`, `addressing-style`, `scheme`. Credentials come from the environment, the credential files of AWS
    /// tools, or the role of the machine. Empty: no storage.
    pub(crate) url: String,
    /// Memory for narinfos of the storage; up to a quarter as much is used for the names in a directory.
    #[schemars(extend("x-reload" = true))]
    pub(crate) memory: ByteSize,
    /// Whether an upload to a directory is acknowledged only when it would survive a power loss; costs some writes to
    /// the disk for each object. A bucket always promises that. Without it, acknowledged uploads survive the end
    /// of the server, but not that of the machine within the last half minute; `storage verify --repair` tells and mends.
    pub(crate) sync: bool,
    /// Whether clients get NARs from the bucket itself, by a redirect to a URL that is good for an hour. They must reach
    /// the bucket's endpoint; narinfos and small objects still come from here. Nothing for directories.
    #[schemars(extend("x-reload" = true))]
    pub(crate) redirect: bool,
}

impl Default for RawStorage {
    fn default() -> Self {
        Self { url: String::new(), memory: ByteSize(DEFAULT_MEMORY), sync: false, redirect: false }
    }
}
