//! `storage why`: the reason why a path is kept.

use std::{fmt::Write as _, path::Path};

use rns_cache::{BinaryCache as _, HumanBytes, KeepReason, moment};
use rns_formats::StorePath;
use rns_storage::{
    collect::{Why, fate, reasons, why},
    index::PathState,
    retention::Retention,
    write::Storage,
};
use serde_json::{Value, json};

use super::{amounts::ago, report::report};
use crate::{
    args::StoragePlace,
    commands::inspect::PathInStore,
    output::{CommandAnswer, tell},
};

/// Prints the reason why a path is kept. The answer is negative when there is none.
pub(super) async fn run(
    storage: &Storage,
    path: &Path,
    retention: &Retention,
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let found = PathInStore::parse(path, storage.store_dir())?;
    let Some(found) = why(storage, &found.hash, retention).await? else {
        tell(&format!("{} is not in the storage", path.display()));
        return Ok(CommandAnswer::No);
    };
    let reasons = reasons(&found, retention);
    let index = storage.index().database();
    let json = json(&found, &reasons, (retention, &index));
    report(place, &text(&found, &reasons, retention)?, &json)?;
    Ok(if reasons.is_empty() { CommandAnswer::No } else { CommandAnswer::Yes })
}

/// The answer where nothing was ever pushed.
pub(super) fn nothing(path: &Path) -> anyhow::Result<CommandAnswer> {
    tell(&format!("{} is not in the storage", path.display()));
    Ok(CommandAnswer::No)
}

/// The part of `max_size` that is used, in percent.
fn percent_used(found: &Why, retention: &Retention) -> Option<u64> {
    let (present, max_size) = (found.present_bytes?, retention.max_size?);
    let percent = u128::from(present) * 100 / u128::from(max_size.max(1));
    u64::try_from(percent).ok()
}

fn text(found: &Why, reasons: &[KeepReason], retention: &Retention) -> anyhow::Result<String> {
    let record = &found.record;
    let mut text = format!("{}\n", record.path);
    writeln!(
        text,
        "  size: {} stored, {} as NAR",
        HumanBytes(record.file_size),
        HumanBytes(record.nar_size)
    )?;
    writeln!(text, "  pushed: {}", ago(record.published))?;
    writeln!(text, "  told to a pusher: {}", ago(record.touched))?;
    let read = record.used.map_or_else(|| "never".to_owned(), ago);
    writeln!(text, "  read: {read}")?;
    match record.state {
        PathState::Condemned => text.push_str("  a collection means to remove it\n"),
        PathState::Deleting => text.push_str("  it is being removed\n"),
        PathState::Publishing => text.push_str("  it is being published\n"),
        PathState::Published | PathState::Elsewhere => {}
    }
    for reason in reasons {
        writeln!(text, "stays: {}", reason.text)?;
        if reason.chain.len() > 1 {
            for (depth, path) in reason.chain.iter().enumerate() {
                let arrow = if depth == 0 { "" } else { "└ " };
                writeln!(text, "  {}{arrow}{path}", "  ".repeat(depth))?;
            }
        }
    }
    if let Some(percent) = percent_used(found, retention) {
        writeln!(text, "max_size: {percent} % used")?;
    }
    if let Some(fate) = fate(found, reasons, retention) {
        let goes = if found.going.is_some() { "goes: " } else { "" };
        writeln!(text, "{goes}{fate}")?;
    }
    if !found.is_complete {
        text.push_str("more refers to it than was looked at: `storage gc --dry-run` knows all\n");
    }
    Ok(text)
}

fn json(found: &Why, reasons: &[KeepReason], (retention, index): (&Retention, &str)) -> Value {
    let reasons: Vec<_> = reasons
        .iter()
        .map(|reason| {
            let chain: Vec<_> = reason.chain.iter().map(StorePath::as_str).collect();
            json!({ "reason": reason.label, "text": reason.text, "chain": chain })
        })
        .collect();
    json!({
        "path": found.record.path.as_str(),
        "index": index,
        "root": found.root.as_ref().map(|(root, _)| root),
        "kept": reasons,
        "going": found.going.map(|going| json!({
            "cause": going.cause.label(), "place": going.place, "count": going.count,
            "text": going.to_string(),
        })),
        "maxSizePercent": percent_used(found, retention),
        "complete": found.is_complete,
        "fileSize": found.record.file_size,
        "narSize": found.record.nar_size,
        "pushed": moment(found.record.published),
        "touched": moment(found.record.touched),
        "read": found.record.used.map(moment),
    })
}
