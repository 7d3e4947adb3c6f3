//! `pin`: roots on a server, which keep paths with all that they refer to.

use std::fmt::Write as _;

use anyhow::Context as _;
use rns_client::{AnswerForm, CacheClient, Failure, NewRoot, RequestError};
use rns_formats::{StoreDir, StorePath};
use serde_json::{Value, json};

use super::{
    client,
    push::{Style, resolve},
};
use crate::{
    client_args::{PinCommand, RevisionArgs, TargetArgs},
    config::Environment,
    output::{Answer, print, tell},
};

/// The next step where a server knows no roots.
const NO_ROOTS: &str = "there are no roots at this address: a server of this program has them once its \
                        configuration has storage.url";

/// Connections for questions that follow each other.
const CONNECTIONS: usize = 2;

/// Runs a command for roots.
pub(super) fn run(command: &PinCommand, environment: &Environment) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        match command {
            PinCommand::Add { name, paths, revision, style, target, store } => {
                let store = client::store_config(store, environment)?;
                let paths: Vec<StorePath> =
                    paths.iter().map(|path| resolve(path, &store)).collect::<Result<_, _>>()?;
                let client = client_of(target, environment)?;
                let root = new_root(name, revision, &paths, &store.store_dir);
                put(&client, &root, Style::of_flags(style.json, style.quiet)).await
            }
            PinCommand::List { json, target } => {
                list(&client_of(target, environment)?, *json).await
            }
            PinCommand::Remove { names, style, target } => {
                let style = Style::of_flags(style.json, style.quiet);
                remove(&client_of(target, environment)?, names, style).await
            }
        }
    })
}

/// The root that the flags describe.
pub(super) fn new_root(
    name: &str,
    revision: &RevisionArgs,
    paths: &[StorePath],
    store_dir: &StoreDir,
) -> NewRoot {
    NewRoot {
        name: name.to_owned(),
        paths: paths.iter().map(|path| store_dir.print(path)).collect(),
        days: revision.days,
        revisions: revision.revisions,
        label: revision.label.clone(),
    }
}

fn client_of(args: &TargetArgs, environment: &Environment) -> anyhow::Result<CacheClient> {
    client::cache_client(&args.to, &args.credential, environment, CONNECTIONS)
}

/// Sets a root, and says so.
pub(super) async fn put(
    client: &CacheClient,
    root: &NewRoot,
    style: Style,
) -> anyhow::Result<Answer> {
    let form = if style == Style::Json { AnswerForm::Json } else { AnswerForm::Text };
    let said = match client.put_root(root, form).await {
        Ok(said) => said,
        Err(error) => return Ok(refused(&error)),
    };
    match style {
        Style::Lines => print(&format!("pinned {}\n", String::from_utf8_lossy(&said).trim_end()))?,
        Style::Json => {
            let root: Value = serde_json::from_slice(&said).context("the answer is no JSON")?;
            print(&format!("{}\n", json!({ "outcome": "pinned", "root": root })))?;
        }
        Style::Quiet => {}
    }
    Ok(Answer::Yes)
}

/// Says why a server refuses.
fn refused(error: &RequestError) -> Answer {
    tell(&format!("rust-nix-serve: {error}"));
    let remedy = match error.failure {
        Failure::Refused { status: 404, .. } => Some(NO_ROOTS),
        _ => error.failure.remedy(),
    };
    if let Some(remedy) = remedy {
        tell(remedy);
    }
    if error.is_unreachable() { Answer::Unreachable } else { Answer::No }
}

async fn list(client: &CacheClient, json: bool) -> anyhow::Result<Answer> {
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
    if json {
        // As the server says it, with all pages in one.
        print(&format!("{}\n", json!({ "roots": roots, "next": null })))?;
        return Ok(Answer::Yes);
    }
    let lines = roots.iter().map(line);
    print(&lines.collect::<String>())?;
    Ok(Answer::Yes)
}

/// One root in one line: name, revision, times, label and paths.
fn line(root: &Value) -> String {
    let text = |name: &str| root.get(name).and_then(Value::as_str);
    let number = |name: &str| root.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut line = format!("{}  revision {}", text("name").unwrap_or("?"), number("revision"));
    // Writing to a text cannot fail.
    _ = write!(line, " of {}", text("created").unwrap_or("?"));
    if let Some(expires) = text("expires") {
        _ = write!(line, ", until {expires}");
    }
    if let Some(label) = text("label") {
        _ = write!(line, "  {label}");
    }
    let paths = root.get("paths").and_then(Value::as_array);
    let paths = paths.map(|paths| paths.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    for path in paths.unwrap_or_default() {
        _ = write!(line, "\n    {path}");
    }
    line.push('\n');
    line
}

async fn remove(client: &CacheClient, names: &[String], style: Style) -> anyhow::Result<Answer> {
    let mut answer = Answer::Yes;
    for name in names {
        let was_there = match client.delete_root(name).await {
            Ok(was_there) => was_there,
            Err(error) => return Ok(refused(&error)),
        };
        match style {
            Style::Json => print(&format!("{}\n", json!({ "name": name, "deleted": was_there })))?,
            Style::Lines if was_there => print(&format!("removed {name}\n"))?,
            Style::Lines | Style::Quiet => {}
        }
        if !was_there {
            tell(&format!("there is no root {name}"));
            answer = Answer::No;
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_root_is_shown_with_its_paths_below() {
        let root = json!({
            "name": "project/main", "revision": 7, "created": "2026-11-27T19:30:00Z",
            "expires": null, "label": "4f2c1d9", "paths": ["/nix/store/x-project"],
        });
        let shown =
            "project/main  revision 7 of 2026-11-27T19:30:00Z  4f2c1d9\n    /nix/store/x-project\n";
        assert_eq!(line(&root), shown);
    }
}
