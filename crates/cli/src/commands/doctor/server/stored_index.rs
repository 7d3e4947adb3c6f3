//! The index of the storage, which must know all stored paths.

use std::sync::Arc;

use rns_doctor::{Finding, FindingId, Outcome};
use rns_storage::{
    maintenance::{self, FindingKind, VerifyOptions},
    write::{Nowhere, Storage, UploadLimits},
};

use crate::{
    backends::{open_index, open_storage},
    config::{IndexConfig, Loaded},
    output::in_words,
};

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let Some(config) = &loaded.backends.storage else { return Outcome::NotApplicable };
    let behind = |what: String| {
        let mend = "rust-nix-serve storage index --rebuild";
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
    let index = match open_index(config) {
        Ok(index) => index,
        Err(error) => return Outcome::Unchecked(in_words(&error)),
    };
    let storage = Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default());
    let options = VerifyOptions { contents: false, repair: false };
    let verified = match maintenance::verify(&storage, options, &|_| {}).await {
        Ok(verified) => verified,
        Err(error) => return Outcome::Unchecked(error.to_string()),
    };
    let count =
        |kind: FindingKind| verified.findings.iter().filter(|finding| finding.kind == kind).count();
    match (count(FindingKind::NotIndexed), count(FindingKind::OnlyIndexed)) {
        (0, 0) => Outcome::Sound(format!("{} stored paths are indexed", verified.paths)),
        (stored, gone) => behind(format!(
            "{stored} stored paths are not in the index, and {gone} of the index are not stored"
        )),
    }
}
