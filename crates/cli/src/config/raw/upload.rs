//! `[upload]`: which uploads are admitted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::ByteSize;

/// What clients with the permission `push` may upload to the storage, with `nix copy --to` and any Nix since 2.4. Without a
/// storage in `storage.url` there are no uploads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawUpload {
    /// Public keys, each `name:base64`, of which one must have signed a path before it is taken. Content-addressed paths
    /// need no signature. Empty: none is required.
    #[schemars(extend("x-reload" = true))]
    pub(crate) require_signature_by: Vec<String>,
    /// Whether the keys of the cache sign what was uploaded and verified, as `signing.policy` says, before it is stored.
    #[schemars(extend("x-reload" = true))]
    pub(crate) sign: bool,
    /// Caches that clients always have as well, such as `https://cache.nixos.org`: what they have is shown at the push
    /// address, so that it is not uploaded, and a path may refer to it.
    pub(crate) assume_upstream: Vec<String>,
    /// The largest NAR that is taken, decompressed.
    pub(crate) max_nar_size: ByteSize,
    /// Whether clients send large NARs to the bucket of `storage.url` themselves, by a redirect to a URL that is good for a
    /// quarter of an hour: only Nix from 2.29 on, which can. They must reach the bucket's endpoint. What they have sent is read
    /// back and verified before its path is published. Nothing for directories.
    pub(crate) direct: bool,
    /// The smallest file for which `upload.direct` means anything.
    pub(crate) direct_min_size: ByteSize,
    /// Memory for decoders of NARs on their way in, of all together: xz needs 9 MiB by default and 65 MiB at level 9, zstd
    /// its window, usually 2 to 8 MiB and at most 128 MiB. More wait their turn; a single one that needs more gets it.
    pub(crate) decoder_memory: ByteSize,
}

/// Uploads to this cache; a key that is left out has the value of `[upload]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawCacheUpload {
    /// As `upload.require_signature_by`.
    pub(crate) require_signature_by: Option<Vec<String>>,
    /// As `upload.sign`.
    pub(crate) sign: Option<bool>,
}

impl Default for RawUpload {
    fn default() -> Self {
        Self {
            require_signature_by: Vec::new(),
            sign: true,
            assume_upstream: Vec::new(),
            max_nar_size: ByteSize(64 << 30),
            direct: false,
            direct_min_size: ByteSize(64 << 20),
            decoder_memory: ByteSize(64 << 20),
        }
    }
}
