//! `storage why`: the reason why a path is kept.

use std::{fmt::Write as _, path::Path};

use rns_cache::BinaryCache as _;
use rns_formats::StorePath;
use rns_storage::{
    collect::{Cause, Going, Why, why},
    index::PathState,
    retention::{FULL_PERCENT, Retention, TARGET_PERCENT},
    write::Storage,
};
use serde_json::{Value, json};

use super::{
    amounts::{ago, size},
    report::report,
};
use crate::{
    args::StoragePlace,
    commands::inspect::PathInStore,
    output::{Answer, moment, tell},
};

/// Prints the reason why a path is kept. The answer is negative when there is none.
pub(super) async fn run(
    storage: &Storage,
    path: &Path,
    retention: &Retention,
    place: &StoragePlace,
) -> anyhow::Result<Answer> {
    let found = PathInStore::parse(path, storage.store_dir())?;
    let Some(found) = why(storage, &found.hash, retention).await? else {
        tell(&format!("{} is not in the storage", path.display()));
        return Ok(Answer::No);
    };
    let reasons = reasons(&found, retention);
    let index = storage.index().database();
    let json = json(&found, &reasons, (retention, &index));
    report(place, &text(&found, &reasons, retention)?, &json)?;
    Ok(if reasons.is_empty() { Answer::No } else { Answer::Yes })
}

/// Why it stays, for people, with the paths from the one that the reason is about to this one.
struct ReasonText<'a> {
    label: &'static str,
    text: String,
    chain: &'a [StorePath],
}

fn reasons<'a>(found: &'a Why, retention: &Retention) -> Vec<ReasonText<'a>> {
    let mut reasons = Vec::new();
    let by = |chain: &[StorePath]| if chain.len() > 1 { "a path that needs it" } else { "it" };
    if let Some((root, chain)) = &found.root {
        reasons.push(ReasonText {
            label: "root",
            text: format!("the root {root} needs it"),
            chain,
        });
    }
    if let Some(chain) = &found.young {
        let text = format!("{} was pushed, or told to a pusher, within min_age", by(chain));
        reasons.push(ReasonText { label: "young", text, chain });
    }
    // A limit that is exceeded lets it go, used or not.
    if found.going.is_some() {
        return reasons;
    }
    if let Some(chain) = &found.used {
        let text = format!("{} was used within unused_for", by(chain));
        reasons.push(ReasonText { label: "used", text, chain });
    }
    if retention.unused_for.is_none() && !retention.keep_roots {
        let has_limit = retention.max_size.is_some()
            || retention.keep_free.is_some()
            || retention.max_closures.is_some();
        let is_full = found.present_bytes.is_some_and(|bytes| retention.is_nearly_full(bytes));
        let text = if is_full {
            "closures that were used less recently are enough to get below max_size"
        } else if has_limit {
            "no rule lets it go before a limit is exceeded"
        } else {
            "no rule lets it go"
        };
        reasons.push(ReasonText { label: "allowed", text: text.to_owned(), chain: &[] });
    }
    reasons
}

/// The part of `max_size` that is used, in percent.
fn percent_used(found: &Why, retention: &Retention) -> Option<u64> {
    let (present, max_size) = (found.present_bytes?, retention.max_size?);
    let percent = u128::from(present) * 100 / u128::from(max_size.max(1));
    u64::try_from(percent).ok()
}

/// Why it goes although it may have been used lately, and when.
fn place(going: Going) -> String {
    let Going { cause, place, count } = going;
    let limit = match cause {
        Cause::Size => format!(
            "max_size is exceeded, or nearly: from {FULL_PERCENT} % on a server lets closures go, down to \
             {TARGET_PERCENT} %"
        ),
        Cause::Disk => "the disk has less free than keep_free".to_owned(),
        Cause::Closures => "max_closures is exceeded".to_owned(),
        Cause::Unused => "it was not used for unused_for".to_owned(),
        Cause::Unrooted => "no root needs it".to_owned(),
        Cause::Interrupted => "a collection that was cut off had begun with it".to_owned(),
    };
    format!("{limit}; number {place} of {count} paths that go")
}

fn text(found: &Why, reasons: &[ReasonText<'_>], retention: &Retention) -> anyhow::Result<String> {
    let record = &found.record;
    let mut text = format!("{}\n", record.path);
    writeln!(text, "  size: {} stored, {} as NAR", size(record.file_size), size(record.nar_size))?;
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
    if let Some(going) = found.going {
        writeln!(text, "goes: {}", place(going))?;
    } else if reasons.is_empty() {
        text.push_str("nothing keeps it: it goes with the next collection\n");
    } else if reasons.iter().all(|reason| reason.label == "young") {
        let hours = retention.min_age.as_secs() / 3600;
        writeln!(text, "nothing else keeps it: it may go once min_age ({hours} h) has passed")?;
    }
    if !found.is_complete {
        text.push_str("more refers to it than was looked at: `storage gc --dry-run` knows all\n");
    }
    Ok(text)
}

fn json(found: &Why, reasons: &[ReasonText<'_>], (retention, index): (&Retention, &str)) -> Value {
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
            "text": place(going),
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
