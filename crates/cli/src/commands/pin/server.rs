//! Roots of a server, over HTTP.

use anyhow::Context as _;
use rns_client::{AnswerForm, CacheClient, RequestError, RequestFailure, RootRequest};
use rns_formats::{RootName, StoreDir, StorePath};
use serde_json::Value;

use super::shown;
use crate::{
    args::StoreArgs,
    client_args::{PinCommand, RevisionArgs},
    commands::{
        client,
        push::{Style, resolve},
    },
    config::Environment,
    output::{CommandAnswer, tell},
};

/// The next step where a server knows no roots.
const NO_ROOTS: &str = "there are no roots at this address: a server of this program has them once its \
                        configuration has storage.url";

/// Connections for questions that follow each other.
const CONNECTIONS: usize = 2;

/// Runs a command for the roots of the server at `url`.
pub(super) fn run(
    command: &PinCommand,
    url: &str,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let credential = &command.place().credential;
    let client = || client::cache_client(url, credential, environment, CONNECTIONS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        match command {
            PinCommand::Add { name, paths, revision, style, place, store } => {
                RootName::parse(name)?;
                let store = StoreArgs { config: place.config.clone(), store: store.clone() };
                let store = client::store_config(&store, environment)?;
                let paths: Vec<StorePath> =
                    paths.iter().map(|path| resolve(path, &store)).collect::<Result<_, _>>()?;
                let root = new_root(name, revision, &paths, &store.store_dir);
                put(&client()?, &root, Style::of_flags(style.json, style.quiet)).await
            }
            PinCommand::List { json, .. } => list(&client()?, *json).await,
            PinCommand::Remove { names, style, .. } => {
                remove(&client()?, names, Style::of_flags(style.json, style.quiet)).await
            }
        }
    })
}

/// The root that the flags describe.
pub(in crate::commands) fn new_root(
    name: &str,
    revision: &RevisionArgs,
    paths: &[StorePath],
    store_dir: &StoreDir,
) -> RootRequest {
    RootRequest {
        name: name.to_owned(),
        paths: paths.iter().map(|path| store_dir.print(path)).collect(),
        days: revision.days,
        revisions: revision.revisions,
        label: revision.label.clone(),
    }
}

/// Sets a root, and says so.
pub(in crate::commands) async fn put(
    client: &CacheClient,
    root: &RootRequest,
    style: Style,
) -> anyhow::Result<CommandAnswer> {
    let form = if style == Style::Json { AnswerForm::Json } else { AnswerForm::Text };
    match client.put_root(root, form).await {
        Ok(said) => shown::pinned(
            style,
            || String::from_utf8_lossy(&said).trim_end().to_owned(),
            || serde_json::from_slice(&said).context("the answer is no JSON"),
        ),
        Err(error) => Ok(refused(&error)),
    }
}

/// Says why a server refuses.
fn refused(error: &RequestError) -> CommandAnswer {
    tell(&format!("rust-nix-serve: {error}"));
    let remedy = match error.failure {
        RequestFailure::Refused { status: 404, .. } => Some(NO_ROOTS),
        _ => error.failure.remedy(),
    };
    if let Some(remedy) = remedy {
        tell(remedy);
    }
    if error.is_unreachable() { CommandAnswer::Unreachable } else { CommandAnswer::No }
}

async fn list(client: &CacheClient, json: bool) -> anyhow::Result<CommandAnswer> {
    let mut roots = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = match client.roots(after.as_deref()).await {
            Ok(page) => page,
            Err(error) => return Ok(refused(&error)),
        };
        let page: Value = serde_json::from_slice(&page).context("the list of roots is no JSON")?;
        let found = page.get("roots").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_empty = found.is_empty();
        roots.extend(found);
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() || is_empty {
            break;
        }
    }
    shown::list(&roots, json)
}

async fn remove(
    client: &CacheClient,
    names: &[String],
    style: Style,
) -> anyhow::Result<CommandAnswer> {
    let mut answer = CommandAnswer::Yes;
    for name in names {
        let was_there = match client.delete_root(name).await {
            Ok(was_there) => was_there,
            Err(error) => return Ok(refused(&error)),
        };
        if shown::removed(name, was_there, style)? != CommandAnswer::Yes {
            answer = CommandAnswer::No;
        }
    }
    Ok(answer)
}
