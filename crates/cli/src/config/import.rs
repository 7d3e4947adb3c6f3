//! Uploads into the store of this machine.

use std::path::{Path, PathBuf};

use rns_cache::KeepFree;
use rns_nix_store::{ImportConfig, StoreConfig};
use rns_storage::retention::Retention;

use super::{
    diagnostics::Diagnostics,
    index::DEFAULT_STATE_DIRECTORY,
    raw::{RawConfig, RawUploadTarget},
    store::absolute,
    upload,
};

/// The folder of the spool in that directory.
const SPOOL: &str = "spool";

/// The folder of the roots in Nix's `gcroots`.
const ROOTS_FOLDER: &str = "rust-nix-serve";

/// How uploads go into the store. `None` where they go elsewhere.
pub(super) fn resolve(
    raw: &RawConfig,
    store: &StoreConfig,
    retention: &Retention,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<ImportConfig> {
    let RawConfig { upload: raw_upload, store: raw_store, .. } = raw;
    let roots = absolute("upload.roots_directory", &raw_upload.roots_directory, diagnostics);
    let spool = absolute("upload.spool_directory", &raw_upload.spool_directory, diagnostics);
    if raw_upload.spool_size.0 == 0 {
        diagnostics.problem("upload.spool_size", "0 would refuse every upload", "");
    }
    if raw_upload.roots.0.is_zero() {
        let hint = "write how long a pushed path is kept, such as 30d";
        diagnostics.problem("upload.roots", "0 would keep nothing that is pushed", hint);
    }
    let keep_free = raw_upload.keep_free.map(|share| share.0);
    if matches!(keep_free, Some(KeepFree::Percent(0) | KeepFree::Bytes(0))) {
        diagnostics.problem("upload.keep_free", "0 keeps nothing free", "leave it out");
    }
    if raw_upload.target != RawUploadTarget::NixStore {
        if keep_free.is_some() {
            diagnostics.warn("upload.keep_free has no effect without the target nix-store");
        }
        return None;
    }
    if !raw_store.enabled {
        let hint = "remove store.enabled = false";
        diagnostics.problem("upload.target", "the store of this machine is not served", hint);
    }
    if store.daemon_socket.is_none() {
        let hint = "name the socket of the Nix daemon, or leave store.daemon_socket out";
        diagnostics.problem("upload.target", "uploads into the store need the Nix daemon", hint);
    }
    if !raw_upload.assume_upstream.is_empty() {
        diagnostics.problem(
            "upload.assume_upstream",
            "the references of a pushed path must be in the store that it is pushed into",
            "leave it out with the target nix-store",
        );
    }
    let limits = upload::limits(raw_upload, diagnostics);
    Some(ImportConfig {
        max_nar_size: limits.max_nar_size,
        decoder_memory: limits.decoder_memory,
        spool_directory: spool.unwrap_or_else(|| usual_spool(diagnostics)),
        spool_size: raw_upload.spool_size.0,
        spool_age: raw_upload.spool_age.0,
        roots_directory: roots.unwrap_or_else(|| usual_roots(store)),
        roots_lifetime: raw_upload.roots.0,
        keep_free,
        min_age: retention.min_age,
        root_rules: retention.rules.clone(),
    })
}

fn usual_spool(diagnostics: &Diagnostics<'_>) -> PathBuf {
    // systemd lists several directories with colons between them.
    let given = diagnostics.environment.get("STATE_DIRECTORY").unwrap_or_default();
    let given = given.split(':').next().filter(|first| first.starts_with('/'));
    Path::new(given.unwrap_or(DEFAULT_STATE_DIRECTORY)).join(SPOOL)
}

/// Below the directory that the database is in: `/nix/var/nix` for the store of the machine.
fn usual_roots(store: &StoreConfig) -> PathBuf {
    let state = store.database.parent().and_then(Path::parent);
    state.unwrap_or_else(|| Path::new("/nix/var/nix")).join("gcroots").join(ROOTS_FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{load_with, refusal};

    fn import(file: &str, variables: &[(&str, &str)]) -> Option<ImportConfig> {
        load_with(file, variables, &[]).unwrap().backends.import
    }

    #[test]
    fn uploads_go_into_the_store_only_where_that_is_said() {
        assert_eq!(import("", &[]), None);
        let import = |more: &str, variables: &[(&str, &str)]| {
            import(&format!("[upload]\ntarget = \"nix-store\"\n{more}"), variables).unwrap()
        };
        let usual = import("", &[]);
        assert_eq!(usual.roots_directory, Path::new("/nix/var/nix/gcroots/rust-nix-serve"));
        assert_eq!(usual.spool_directory, Path::new("/var/lib/rust-nix-serve/spool"));
        assert_eq!(usual.roots_lifetime.as_secs(), 30 * 24 * 3600);
        let below = import("[store]\nroot = \"/mnt\"\n", &[("STATE_DIRECTORY", "/var/lib/x:/y")]);
        assert_eq!(below.roots_directory, Path::new("/mnt/nix/var/nix/gcroots/rust-nix-serve"));
        assert_eq!(below.spool_directory, Path::new("/var/lib/x/spool"));
        let said =
            import("roots = \"7d\"\nroots_directory = \"/r\"\nspool_directory = \"/s\"\n", &[]);
        assert_eq!(
            (&*said.roots_directory, &*said.spool_directory),
            ("/r".as_ref(), "/s".as_ref())
        );
        assert_eq!(said.roots_lifetime.as_secs(), 7 * 24 * 3600);
        let kept = import("keep_free = \"20%\"\n[retention]\nmin_age = \"2h\"\n", &[]);
        assert_eq!((kept.keep_free, kept.min_age.as_secs()), (Some(KeepFree::Percent(20)), 7200));
        let ruled = import("[retention.rules.pr]\nroots = [\"pr/*\"]\ndays = 7\n", &[]);
        assert_eq!(ruled.root_rules.len(), 1);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (file, complaint) in [
            ("[store]\nenabled = false\n[storage]\nurl = \"s3://x\"\n", "is not served"),
            ("[store]\ndaemon_socket = \"none\"\n", "need the Nix daemon"),
            ("assume_upstream = [\"https://cache.nixos.org\"]\n", "upload.assume_upstream"),
            ("roots = \"0s\"\n", "upload.roots"),
            ("spool_size = 0\n", "upload.spool_size"),
            ("keep_free = \"0%\"\n", "upload.keep_free"),
            ("keep_free = \"much\"\n", "upload.keep_free"),
            ("roots_directory = \"gcroots\"\n", "upload.roots_directory"),
        ] {
            let said = refusal(&format!("[upload]\ntarget = \"nix-store\"\n{file}"));
            assert!(said.contains(complaint), "{said}");
        }
    }
}
