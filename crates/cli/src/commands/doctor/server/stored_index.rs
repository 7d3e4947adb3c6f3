//! The index of the storage, which must be usable and know all stored paths.

use std::{path::Path, sync::Arc};

use rns_doctor::{Finding, FindingId, Outcome};
use rns_storage::{
    index::IndexError,
    maintenance::{self, FaultKind, MaintenanceError, VerifyOptions},
    objects::StorageUrl,
    write::{Nowhere, Storage, UploadLimits},
};

use crate::{
    backends::open_storage,
    commands::storage::owner,
    config::{IndexConfig, Loaded, StorageConfig},
    output::in_words,
    storage_index::look_at_index,
};

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let Some(config) = &loaded.backends.storage else { return Outcome::NotApplicable };
    let behind = |what: String| {
        let program = owner::program_as_owner(&config.url);
        let mend = format!("{program} storage index --rebuild");
        Outcome::wrong(Finding::new(FindingId::IndexBehind, what, mend))
    };
    let opened = open_storage(&loaded.backends, &loaded.store.store_dir);
    let Ok(Some(reader)) = opened else {
        return Outcome::Unchecked("the storage cannot be read".to_owned());
    };
    if let IndexConfig::Sqlite(file) = &config.index
        && !file.exists()
    {
        return behind(format!("there is no index at {}", file.display()));
    }
    let index = match look_at_index(config, reader.objects()) {
        Ok(index) => index,
        Err(error) => return unusable(config, in_words(&error)),
    };
    if let Err(error) = index.published_after(None, 1).await {
        return refused(config, &error);
    }
    let storage = Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default());
    let options = VerifyOptions { contents: false, repair: false };
    let verified = match maintenance::verify(&storage, options, &|_| {}).await {
        Ok(verified) => verified,
        Err(MaintenanceError::Index(error)) => return refused(config, &error),
        // It has a check of its own.
        Err(error @ (MaintenanceError::Objects(_) | MaintenanceError::Path(_))) => {
            return Outcome::Unchecked(error.to_string());
        }
    };
    let count = |kind: FaultKind| verified.faults.iter().filter(|fault| fault.kind == kind).count();
    match (count(FaultKind::NotIndexed), count(FaultKind::OnlyIndexed)) {
        (0, 0) => Outcome::Sound(format!("{} stored paths are indexed", verified.paths)),
        (stored, gone) => behind(format!(
            "{stored} stored paths are not in the index, and {gone} of the index are not stored"
        )),
    }
}

fn refused(config: &StorageConfig, error: &IndexError) -> Outcome {
    match error {
        IndexError::Unavailable { .. } => unusable(config, error.to_string()),
        IndexError::TooNew { .. } => Outcome::wrong(Finding::new(
            FindingId::IndexUnusable,
            error.to_string(),
            "rust-nix-serve --version   # install the version that made the index, or a newer one",
        )),
        IndexError::OtherStorage { .. } => Outcome::wrong(Finding::new(
            FindingId::IndexUnusable,
            error.to_string(),
            "rust-nix-serve config show   # index.url: the index of this storage",
        )),
    }
}

/// The words with which SQLite says that a file is damaged. Nothing else is mended by making it anew.
const DAMAGED: [&str; 2] = ["file is not a database", "database disk image is malformed"];

/// The words with which PostgreSQL refuses a user that the URL does not name, so that it is the one who runs this.
const OTHER_USER: [&str; 3] =
    ["Peer authentication failed", "Ident authentication failed", "role \""];

/// The outcome where the index does not answer. It may answer the server all the same: another user runs it.
fn unusable(config: &StorageConfig, what: String) -> Outcome {
    let says = |words: &[&str]| words.iter().any(|word| what.contains(word));
    let mend = match &config.index {
        IndexConfig::Sqlite(file) if says(&DAMAGED) => make_anew(file, &config.url),
        // Locked, full, or of another user.
        IndexConfig::Sqlite(_) => return Outcome::Unchecked(as_server(&what)),
        IndexConfig::Postgres(_) if says(&OTHER_USER) => {
            return Outcome::Unchecked(as_server(&what));
        }
        IndexConfig::Postgres(_) => {
            "systemctl status postgresql   # and index.url: host, database, user, password"
                .to_owned()
        }
    };
    Outcome::wrong(Finding::new(FindingId::IndexUnusable, what, mend))
}

fn as_server(what: &str) -> String {
    format!("{what}; run this as the user of the server, and again in a moment")
}

/// The line that makes a damaged index anew. Times of use, who pushed and who deleted are lost with it.
fn make_anew(file: &Path, url: &StorageUrl) -> String {
    let (name, program) = (file.display(), owner::program_as_owner(url));
    format!(
        "systemctl stop rust-nix-serve; mv {name} {name}.damaged; rm -f {name}-wal {name}-shm {name}-redo; \
         {program} storage index --rebuild; systemctl start rust-nix-serve"
    )
}
