//! Where the parts of the store are.

use std::path::{Path, PathBuf};

use rns_formats::StoreDir;
use rns_nix_store::{StoreConfig, Verify};

use super::{
    diagnostics::Diagnostics,
    raw::{RawStore, RawVerify},
};

/// The store that `[store]` describes.
pub(super) fn resolve(raw: &RawStore, diagnostics: &mut Diagnostics<'_>) -> StoreConfig {
    let dir = StoreDir::parse(&raw.dir).unwrap_or_else(|error| {
        diagnostics.problem(
            "store.dir",
            error.to_string(),
            "expected a directory such as /nix/store",
        );
        StoreDir::default()
    });
    let root = absolute("store.root", &raw.root, diagnostics);
    let machine = Path::new("/");
    let below_root = StoreConfig::for_root(root.as_deref().unwrap_or(machine), dir);
    let daemon_socket = match raw.daemon_socket.as_str() {
        "none" => None,
        "" => below_root.daemon_socket,
        path => absolute("store.daemon_socket", path, diagnostics),
    };
    if raw.readers == 0 {
        diagnostics.problem("store.readers", "0 would answer no request", "");
    }
    StoreConfig {
        real_dir: absolute("store.real_dir", &raw.real_dir, diagnostics)
            .unwrap_or(below_root.real_dir),
        database: absolute("store.database", &raw.database, diagnostics)
            .unwrap_or(below_root.database),
        log_dir: absolute("store.log_dir", &raw.log_dir, diagnostics).unwrap_or(below_root.log_dir),
        daemon_socket,
        readers: raw.readers,
        busy_timeout: raw.busy_timeout.0,
        temp_root_wait: raw.temp_root_wait.0,
        verify: match raw.verify {
            RawVerify::Once => Verify::Once,
            RawVerify::Always => Verify::Always,
            RawVerify::Never => Verify::Never,
        },
        layout_cache_bytes: raw.layout_cache.in_memory(),
        daemon_connections: raw.daemon_connections.max(1),
        index_entries: raw.index_entries,
        ..below_root
    }
}

/// The path, unless it is empty or nonsense.
pub(super) fn absolute(
    key: &str,
    text: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<PathBuf> {
    match text {
        "" => None,
        _ if text.starts_with('/') => Some(text.into()),
        _ => {
            diagnostics.problem(
                key,
                format!("`{text}` is not an absolute path"),
                "write it with a / in front",
            );
            None
        }
    }
}
