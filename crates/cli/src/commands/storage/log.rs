//! `storage log`: who pushed a path.

use std::{fmt::Write as _, path::Path};

use rns_cache::moment;
use rns_formats::StoreDir;
use rns_storage::index::{Index, Push};
use serde_json::{Value, json};

use crate::{
    commands::inspect::PathInStore,
    output::{CommandAnswer, print, tell},
};

/// Prints the publications of a path, the latest first.
pub(super) async fn run(
    index: &dyn Index,
    path: &Path,
    store_dir: &StoreDir,
    is_json: bool,
) -> anyhow::Result<CommandAnswer> {
    let place = PathInStore::parse(path, store_dir)?;
    let pushes = index.pushes(&place.hash).await?;
    let deletions = index.deletions(&place.hash).await?;
    if is_json {
        let mut list: Vec<Value> = pushes.iter().map(as_json).collect();
        for deletion in &deletions {
            let (who, at) = (&deletion.who, moment(deletion.at));
            list.push(json!({ "at": at, "deletedBy": who.name, "address": who.address }));
        }
        print(&format!("{:#}\n", Value::from(list)))?;
    } else {
        let mut text = String::new();
        for push in &pushes {
            let address = push.pusher.address.as_deref().unwrap_or("-");
            let end = if push.is_confirmed { "" } else { "  (begun; its end was not seen)" };
            writeln!(text, "{}  {}  {address}{end}", moment(push.at), push.pusher.name)?;
        }
        for deletion in &deletions {
            let address = deletion.who.address.as_deref().unwrap_or("-");
            writeln!(text, "{}  {}  {address}  (deleted)", moment(deletion.at), deletion.who.name)?;
        }
        // Times of one form sort as text; the latest is first.
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_by(|one, other| other.cmp(one));
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        print(&text)?;
        if pushes.is_empty() && deletions.is_empty() {
            tell(&format!("no push of {} is on record", path.display()));
        }
    }
    Ok(if pushes.is_empty() && deletions.is_empty() {
        CommandAnswer::No
    } else {
        CommandAnswer::Yes
    })
}

/// The same where nothing was ever pushed.
pub(super) fn nothing(path: &Path, is_json: bool) -> anyhow::Result<CommandAnswer> {
    if is_json {
        print("[]\n")?;
    } else {
        tell(&format!("no push of {} is on record", path.display()));
    }
    Ok(CommandAnswer::No)
}

fn as_json(push: &Push) -> Value {
    let Push { pusher, at, is_confirmed } = push;
    json!({
        "at": moment(*at), "pusher": pusher.name, "address": pusher.address,
        "confirmed": is_confirmed,
    })
}
