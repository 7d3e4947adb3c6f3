//! Roots in the storage of a configuration: for the operator of a server, also while it serves.

use std::{num::NonZeroU32, sync::Arc};

use anyhow::{Context as _, bail};
use rns_cache::{NewRoot, RootError, RootLifetime, RootPath, RootedCache as _};
use rns_formats::{RootLabel, RootName, StorePath};
use rns_server::roots::{RootList, SetLine, set_json};
use rns_storage::write::{Nowhere, Storage, UploadLimits};
use serde_json::Value;

use super::shown;
use crate::{
    args::ServeArgs,
    backends::{open_for_uploads, open_storage},
    client_args::{PinCommand, RevisionArgs},
    commands::{
        push::{Style, resolve},
        storage::{operator::operator, owner, unindexed},
    },
    config::{self, Environment, Loaded, PassedSockets},
    logging::{self, LogConfig, LogFormat},
    output::{CommandAnswer, tell},
    storage_index::look_at_index,
};

/// Roots that are read at a time.
const ROOTS_PAGE: usize = 1000;

/// Runs a command for the roots of the storage that the configuration names.
pub(super) fn run(
    command: &PinCommand,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let store = match command {
        PinCommand::Add { store, .. } => store.clone(),
        PinCommand::List { .. } | PinCommand::Remove { .. } => None,
    };
    let config = command.place().config.clone();
    let serve = ServeArgs { config, store, ..ServeArgs::default() };
    let loaded = config::load(&serve, environment, PassedSockets::Unknown)?;
    let Some(configured) = &loaded.backends.storage else {
        bail!(
            "there is no storage in the configuration: name the server with --to, or a configuration with \
             storage.url with --config"
        )
    };
    owner::check(&configured.url)?;
    // The storage logs which object it cannot use, and why.
    let log = LogConfig { level: "warn".to_owned(), format: LogFormat::Text };
    let (_, _flush) = logging::start(&log)?;
    let storage = match command {
        PinCommand::List { .. } => looked_at(&loaded)?,
        PinCommand::Add { .. } | PinCommand::Remove { .. } => {
            open_for_uploads(&loaded.backends, &loaded.store.store_dir)?
        }
    };
    let storage = storage.context("there is no storage")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        unindexed::check(storage.reader(), configured).await?;
        match command {
            PinCommand::Add { name, paths, revision, style, .. } => {
                let paths = paths.iter().map(|path| resolve(path, &loaded.store));
                let root = root(name, revision, paths.collect::<Result<_, _>>()?)?;
                let who = operator(environment, "pin add");
                let set = match storage.put_root(&root, &who).await {
                    Ok(set) => set,
                    Err(error) => return refused(error),
                };
                shown::pinned(
                    Style::of_flags(style.json, style.quiet),
                    || format!("{}  {}", root.name, SetLine(&set)),
                    || Ok(set_json(&root.name, &set, &loaded.store.store_dir).into()),
                )
            }
            PinCommand::List { json, .. } if unindexed::is_new(&configured.index) => {
                shown::list(&[], *json)
            }
            PinCommand::List { json, .. } => list(&storage, &loaded, *json).await,
            PinCommand::Remove { names, style, .. } => {
                remove(&storage, names, Style::of_flags(style.json, style.quiet)).await
            }
        }
    })
}

/// The storage for a list of its roots: nothing is written.
fn looked_at(loaded: &Loaded) -> anyhow::Result<Option<Storage>> {
    let reader = open_storage(&loaded.backends, &loaded.store.store_dir)?;
    let (Some(reader), Some(config)) = (reader, &loaded.backends.storage) else { return Ok(None) };
    let index = look_at_index(config, reader.objects())?;
    Ok(Some(Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default())))
}

/// The root that the flags describe.
fn root(name: &str, revision: &RevisionArgs, paths: Vec<StorePath>) -> anyhow::Result<NewRoot> {
    let label = revision.label.as_deref().map(RootLabel::parse).transpose();
    Ok(NewRoot {
        name: parsed(name)?,
        paths: paths.into_iter().map(RootPath::Path).collect(),
        lifetime: RootLifetime {
            days: revision.days.and_then(NonZeroU32::new),
            revisions: revision.revisions.and_then(NonZeroU32::new),
        },
        label: label.context("cannot use --label")?,
    })
}

fn parsed(name: &str) -> anyhow::Result<RootName> {
    RootName::parse(name).with_context(|| format!("`{name}` is no name of a root"))
}

/// Says why an order is refused. An outage is an error.
fn refused(error: RootError) -> anyhow::Result<CommandAnswer> {
    match error {
        RootError::Empty | RootError::MissingPaths { .. } | RootError::Full => {
            tell(&format!("rust-nix-serve: {error}"));
            Ok(CommandAnswer::No)
        }
        RootError::Cache(error) => Err(error.into()),
    }
}

async fn list(storage: &Storage, loaded: &Loaded, json: bool) -> anyhow::Result<CommandAnswer> {
    let mut roots = Vec::new();
    let mut after: Option<RootName> = None;
    loop {
        let page = storage.roots(after.as_ref(), ROOTS_PAGE).await?;
        let is_last = page.len() < ROOTS_PAGE;
        after = page.last().map(|root| root.name.clone());
        roots.extend(page);
        if is_last {
            break;
        }
    }
    let store_dir = &loaded.store.store_dir;
    let list =
        RootList { roots: &roots, wants_sizes: false, sizes: None, next: None, store_dir }.json();
    let roots = list.get("roots").and_then(Value::as_array);
    shown::list(roots.map_or(&[], Vec::as_slice), json)
}

async fn remove(
    storage: &Storage,
    names: &[String],
    style: Style,
) -> anyhow::Result<CommandAnswer> {
    let mut answer = CommandAnswer::Yes;
    for name in names {
        let was_there = match storage.delete_root(&parsed(name)?).await {
            Ok(was_there) => was_there,
            Err(error) => return refused(error),
        };
        if shown::removed(name, was_there, style)? != CommandAnswer::Yes {
            answer = CommandAnswer::No;
        }
    }
    Ok(answer)
}
