//! `[index]`: the database beside a storage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The index of the storage: its paths, their references, who pushed them, and when they were read. It can be
/// made anew from the storage (`rust-nix-serve storage index --rebuild`). Uploads need it, reading does not.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawIndex {
    /// `postgres://…` for several servers that share one storage, such as `postgres:///cache?host=/run/postgresql`;
    /// `sqlite:///a/file` for one server. Empty is the SQLite file `.rust-nix-serve/index.sqlite` inside a
    /// directory, and for a bucket `index.sqlite` in `$STATE_DIRECTORY` (systemd's `StateDirectory=`), without that
    /// in `/var/lib/rust-nix-serve`.
    pub(crate) url: String,
}
