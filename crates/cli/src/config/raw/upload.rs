//! `[upload]`: which uploads are admitted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, DiskShare, Span};

/// Uploads by clients with the permission `push`, with `nix copy --to` and any Nix since 2.4: to the storage, or into
/// the store of this machine. With neither there are no uploads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawUpload {
    /// The target of uploads. `nix-store` needs the Nix daemon, which takes paths with a signature by a key in its
    /// `trusted-public-keys`, and any path where the user of this server is in its `trusted-users`.
    pub(crate) target: RawUploadTarget,
    /// Public keys, each `name:base64`, of which one must have signed a path, or the output of a content-addressed
    /// derivation, before it is taken. Content-addressed paths need no signature. Empty: none is required.
    #[schemars(extend("x-reload" = true))]
    pub(crate) require_signature_by: Vec<String>,
    /// Whether the keys of the cache sign verified uploads, as `signing.policy` says, before they are stored.
    #[schemars(extend("x-reload" = true))]
    pub(crate) sign: bool,
    /// Caches that clients always have as well, such as `https://cache.nixos.org`: their paths are shown at the push
    /// address, so that clients do not upload them, and pushed paths may refer to them.
    #[schemars(extend("x-reload" = true))]
    pub(crate) assume_upstream: Vec<String>,
    /// The largest NAR that is taken, decompressed.
    #[schemars(extend("x-reload" = true))]
    pub(crate) max_nar_size: ByteSize,
    /// Whether clients send large NARs to the bucket of `storage.url` themselves, by a redirect to a URL that is good for a
    /// quarter of an hour: only Nix from 2.29 on, which can. They must reach the bucket's endpoint. The server reads the
    /// uploads back and verifies them before it publishes their paths. Nothing for directories.
    #[schemars(extend("x-reload" = true))]
    pub(crate) direct: bool,
    /// The smallest file for which `upload.direct` means anything.
    #[schemars(extend("x-reload" = true))]
    pub(crate) direct_min_size: ByteSize,
    /// Memory for decoders of NARs on their way in, of all together: xz needs 9 MiB by default and 65 MiB at level 9, zstd
    /// its window, usually 2 to 8 MiB and at most 128 MiB. More wait their turn; a single one that needs more gets it.
    #[schemars(extend("x-reload" = true))]
    pub(crate) decoder_memory: ByteSize,
    /// How long a path that was pushed into the store of this machine is kept from collection, counted from the last time
    /// that a pusher pushed it or was told that it is there.
    #[schemars(extend("x-reload" = true))]
    pub(crate) roots: Span,
    /// Where the links are that keep it. It must be below Nix's `gcroots`, and the user of this server writes there.
    /// Default: `/nix/var/nix/gcroots/rust-nix-serve`, below the root of the store.
    pub(crate) roots_directory: String,
    /// The part of the disk of this machine's store that is kept free, such as `20%` or `50G`. When less is free, the Nix
    /// daemon removes paths that nothing on the machine needs. If that is not enough, the server lets pushed paths go
    /// before their time, the least recently pushed ones first. Paths younger than `retention.min_age` stay, and so do the
    /// paths that roots need.
    #[schemars(extend("x-reload" = true))]
    pub(crate) keep_free: Option<DiskShare>,
    /// Where NARs wait for their narinfo, for uploads into the store of this machine: an absolute path. Default: `spool` in
    /// `$STATE_DIRECTORY`, else in `/var/lib/rust-nix-serve`.
    pub(crate) spool_directory: String,
    /// The most that waits there. Clients may send the NARs of a whole push before the first narinfo; a NAR
    /// without room is refused.
    #[schemars(extend("x-reload" = true))]
    pub(crate) spool_size: ByteSize,
    /// How long a NAR waits for its narinfo.
    #[schemars(extend("x-reload" = true))]
    pub(crate) spool_age: Span,
}

/// The target of uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawUploadTarget {
    /// the storage in `storage.url`
    Storage,
    /// the store of this machine, through its Nix daemon
    NixStore,
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
            target: RawUploadTarget::Storage,
            roots: Span::seconds(30 * 24 * 3600),
            roots_directory: String::new(),
            keep_free: None,
            spool_directory: String::new(),
            spool_size: ByteSize(64 << 30),
            spool_age: Span::seconds(24 * 3600),
        }
    }
}
