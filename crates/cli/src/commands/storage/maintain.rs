//! `storage adopt`, `sign`, `verify` and `index`.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};
use rns_formats::SecretKey;
use rns_server::keys::load_key;
use rns_storage::{
    index::IndexOwner,
    maintenance::{self, FaultKind, Indexed, StorageFault, VerifyOptions},
    read::StorageReader,
    write::Storage,
};
use serde_json::json;

use super::report::report;
use crate::{
    args::StoragePlace,
    commands::progress::ProgressLine,
    config::{Loaded, StorageConfig},
    output::{CommandAnswer, counted, tell},
    storage_index::open_index_of,
};

/// Enters the stored paths into the index.
pub(super) async fn adopt(
    storage: &Storage,
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    storage.reader().objects().check().await?;
    storage.initialise().await?;
    let done = index_all(storage).await?;
    indexed(storage, place, done, "adopted")
}

/// Makes the index anew.
pub(super) async fn rebuild(
    storage: &Storage,
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let done = index_all(storage).await?;
    indexed(storage, place, done, "indexed")
}

/// Takes an index of another name for that of this storage.
pub(super) async fn same_storage(
    reader: &StorageReader,
    config: &StorageConfig,
) -> anyhow::Result<()> {
    let index = open_index_of(config, IndexOwner::Any)?;
    let name = reader.objects().storage_name().context("the storage has no name")?;
    index.add_storage_name(name).await?;
    tell(&format!("{} is the index of {name} as well", index.database()));
    Ok(())
}

async fn index_all(storage: &Storage) -> anyhow::Result<Indexed> {
    let progress = ProgressLine::new("looked at");
    Ok(maintenance::rebuild_index(storage, &|done| progress.show(done)).await?)
}

/// Objects that cannot be used are told in the log; they make the answer a negative one.
fn indexed(
    storage: &Storage,
    place: &StoragePlace,
    done: Indexed,
    verb: &str,
) -> anyhow::Result<CommandAnswer> {
    let Indexed { paths, removed, roots, unusable } = done;
    let mut text =
        format!("{} {verb}, {removed} taken out, {unusable} not usable", counted(paths, "path"));
    if roots > 0 {
        write!(text, ", {}", counted(roots, "root"))?;
    }
    text.push('\n');
    let json = json!({
        "paths": paths, "removed": removed, "roots": roots, "unusable": unusable,
        "index": storage.index().database(),
    });
    report(place, &text, &json)?;
    Ok(if unusable == 0 { CommandAnswer::Yes } else { CommandAnswer::No })
}

/// Signs everything with these keys, or those of the configuration.
pub(super) async fn sign(
    storage: &Storage,
    loaded: &Loaded,
    files: &[PathBuf],
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let keys = keys(loaded, files)?;
    let progress = ProgressLine::new("looked at");
    let done = maintenance::sign(storage, &keys, &|done| progress.show(done)).await?;
    drop(progress);
    let maintenance::Signed { signed, unchanged, unusable } = done;
    let text = format!(
        "{} signed, {unchanged} unchanged, {unusable} not usable\n",
        counted(signed, "path")
    );
    let json = json!({ "signed": signed, "unchanged": unchanged, "unusable": unusable });
    report(place, &text, &json)?;
    Ok(if unusable == 0 { CommandAnswer::Yes } else { CommandAnswer::No })
}

fn keys(loaded: &Loaded, files: &[PathBuf]) -> anyhow::Result<Vec<SecretKey>> {
    rns_server::keep_secrets();
    let caches = loaded.server.caches.all().map(|(_, cache)| &cache.signing.keys);
    let configured: Vec<PathBuf> = caches.flatten().cloned().collect();
    let files = if files.is_empty() { &configured } else { files };
    if files.is_empty() {
        bail!("there is no key: name one with --signing-key, or in signing.keys");
    }
    let mut keys: Vec<SecretKey> = Vec::new();
    for file in files {
        let key = load_key(file).context("cannot sign")?;
        if keys.iter().all(|known| known.public_key() != key.public_key()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Compares, and mends where asked to. The answer is positive when nothing is wrong any more.
pub(super) async fn verify(
    storage: &Storage,
    (contents, repair): (bool, bool),
    names_no_upstream: bool,
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let options = VerifyOptions { contents, repair };
    let progress = ProgressLine::new("looked at");
    let done = maintenance::verify(storage, options, &|done| progress.show(done)).await?;
    drop(progress);
    let mut text = String::new();
    for fault in &done.faults {
        writeln!(text, "{}: {}", fault.object, fault.kind)?;
    }
    let maintenance::Verified { paths, faults, withdrawn, unmended } = &done;
    let looked_at = counted(*paths, "path");
    write!(text, "{looked_at} looked at, {}", counted(faults.len() as u64, "fault"))?;
    match repair {
        true => writeln!(
            text,
            ", {} withdrawn, {} not mended",
            counted(*withdrawn, "path"),
            counted(*unmended, "fault")
        )?,
        false => text.push('\n'),
    }
    // There may be as many as there are paths.
    let shown = if place.json { faults.as_slice() } else { &[] };
    let list: Vec<_> = shown
        .iter()
        .map(|fault| json!({ "object": fault.object, "fault": fault.kind.to_string() }))
        .collect();
    let json = json!({
        "paths": paths, "faults": list, "withdrawn": withdrawn, "unmended": unmended,
    });
    report(place, &text, &json)?;
    let misses = |fault: &StorageFault| matches!(fault.kind, FaultKind::MissingReference(_));
    if *unmended > 0 && names_no_upstream && faults.iter().any(misses) {
        tell(
            "paths that refer to missing ones are left as they are, since clients may have these from another cache: \
             name it in upload.assume_upstream (-c FILE has it), and those that it does not have are withdrawn",
        );
    }
    if *unmended > 0 && !repair {
        let content = if contents { " --content" } else { "" };
        tell(&format!(
            "`rust-nix-serve storage verify{content} --repair` mends the index, and withdraws paths \
             that cannot be had, so that they can be pushed again"
        ));
    }
    Ok(if *unmended == 0 { CommandAnswer::Yes } else { CommandAnswer::No })
}
