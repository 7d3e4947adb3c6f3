//! `storage gc`: removes the paths that the policy lets go, or prints them.

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use rns_cache::{HumanBytes, moment};
use rns_formats::StorePath;
use rns_storage::{
    collect::{
        Amount, Cause, CollectError, Collected, DocumentCounts, DocumentKind, Plan, Preview,
        Reason, Swept, Verdict, collect, preview,
    },
    index::Index,
    maintenance::unknown_documents,
    objects::ObjectKey,
    retention::Retention,
    write::Storage,
};
use serde_json::{Map, Value, json};

use super::{
    amounts::{ago, paths},
    report::report,
};
use crate::{
    args::StoragePlace,
    commands::progress::ProgressLine,
    output::{CommandAnswer, counted, print, tell},
};

/// Names that are asked for at once.
const NAMES_BATCH: usize = 1_000;

/// Prints which paths would go, in which order and why, and which stay and why. Changes nothing.
pub(super) async fn dry_run(
    storage: &Storage,
    retention: &Retention,
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let unknown = match retention.keeps_everything() {
        true => 0,
        false => unknown_documents(storage).await?,
    };
    let found = preview(storage, retention).await?;
    if place.json {
        let going = going(&**storage.index(), &found).await?;
        let mut json = summary(storage, &found);
        json.insert("going".to_owned(), Value::from(going));
        let documents = found.documents.named.iter().map(ObjectKey::as_str);
        json.insert("goingDocuments".to_owned(), Value::from(documents.collect::<Vec<_>>()));
        json.insert("unknownDocuments".to_owned(), json!(unknown));
        json.insert("seconds".to_owned(), json!(found.took.as_secs_f64()));
        report(place, "", &Value::from(json))?;
    } else {
        list(&**storage.index(), &found).await?;
        print(&text(&found, retention, "would go")?)?;
        if unknown > 0 {
            let documents = counted(unknown, "document");
            print(&format!(
                "{documents} that the index does not know: the next collection looks at them\n"
            ))?;
        }
    }
    Ok(CommandAnswer::Yes)
}

/// The same where nothing was ever pushed.
pub(super) fn nothing(place: &StoragePlace) -> anyhow::Result<CommandAnswer> {
    let json = json!({
        "index": null, "present": 0, "kept": {}, "freed": {}, "orphans": { "nars": 0, "bytes": 0 },
        "waiting": 0, "documents": { "kept": {}, "freed": {} },
        "going": [], "goingDocuments": [], "unknownDocuments": 0, "seconds": 0.0,
    });
    report(place, "kept: 0 paths\nwould go: 0 paths\n", &json)?;
    Ok(CommandAnswer::Yes)
}

/// Removes the paths that the policy lets go.
pub(super) async fn run(
    storage: &Storage,
    retention: &Retention,
    place: &StoragePlace,
) -> anyhow::Result<CommandAnswer> {
    let progress = ProgressLine::new("removed");
    let shown = |swept: Swept| {
        progress.show(swept.paths + swept.nars + swept.documents.total());
    };
    let done = match collect(storage, retention, &shown).await {
        Err(error @ CollectError::Busy) => {
            drop(progress);
            tell(&format!("{error}; it does the same"));
            return Ok(CommandAnswer::No);
        }
        done => done.context("the collection was cut off, and the next one goes on")?,
    };
    drop(progress);
    let Collected { preview, swept, took } = &done;
    let mut json = summary(storage, preview);
    let removed = json!({
        "paths": swept.paths, "nars": swept.nars, "bytes": swept.bytes, "left": swept.left,
        "unknownNars": swept.unknown_nars,
        "documents": counts(&swept.documents),
    });
    json.insert("removed".to_owned(), removed);
    json.insert("seconds".to_owned(), json!(took.as_secs_f64()));
    let mut text = text(preview, retention, "were to go")?;
    writeln!(text, "removed {} in {:.1} s", paths(swept.paths, swept.bytes), took.as_secs_f64())?;
    if swept.unknown_nars > 0 {
        writeln!(text, "  {} that the index did not know", counted(swept.unknown_nars, "NAR"))?;
    }
    for (kind, count) in swept.documents.by_kind().filter(|(_, count)| *count > 0) {
        writeln!(text, "  {count} {} without a path", kind.plural())?;
    }
    if swept.left > 0 {
        writeln!(text, "{} stay, since clients asked for them meanwhile", swept.left)?;
    }
    report(place, &text, &Value::from(json))?;
    Ok(CommandAnswer::Yes)
}

/// The cause of each path that goes.
fn causes(plan: &Plan) -> impl Iterator<Item = (usize, Cause)> + '_ {
    plan.going.iter().filter_map(|path| match plan.verdicts.get(*path) {
        Some(Verdict::Goes(cause)) => Some((*path, *cause)),
        _ => None,
    })
}

async fn names(
    index: &dyn Index,
    found: &Preview,
    batch: &[(usize, Cause)],
) -> anyhow::Result<HashMap<i64, StorePath>> {
    let ids: Vec<i64> = batch.iter().filter_map(|(path, _)| found.graph.id(*path)).collect();
    Ok(index.paths(&ids).await?.into_iter().collect())
}

fn last_use(found: &Preview, path: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(found.graph.last_use(path)))
}

/// Prints the paths that go, as they are found out.
async fn list(index: &dyn Index, found: &Preview) -> anyhow::Result<()> {
    let all: Vec<_> = causes(&found.plan).collect();
    for batch in all.chunks(NAMES_BATCH) {
        let names = names(index, found, batch).await?;
        let mut text = String::new();
        for (path, cause) in batch {
            let name = found.graph.id(*path).and_then(|id| names.get(&id));
            let name = name.map_or("(gone meanwhile)", StorePath::as_str);
            let bytes = HumanBytes(found.graph.file_size(*path));
            let used = ago(last_use(found, *path));
            writeln!(text, "{:<11}  {bytes:>10}  {used:<15}  {name}", cause.label())?;
        }
        print(&text)?;
    }
    for batch in found.documents.named.chunks(NAMES_BATCH) {
        let mut text = String::new();
        for key in batch {
            let kind = DocumentKind::of(key).map_or("", DocumentKind::label);
            writeln!(text, "{kind:<11}  {:>10}  {:<15}  {key}", "", "")?;
        }
        print(&text)?;
    }
    Ok(())
}

/// Numbers of documents, for programs.
fn counts(documents: &DocumentCounts) -> Value {
    let counts = documents.by_kind().map(|(kind, count)| (kind.label().to_owned(), json!(count)));
    Value::from(counts.collect::<Map<_, _>>())
}

/// The paths that go, for programs.
async fn going(index: &dyn Index, found: &Preview) -> anyhow::Result<Vec<Value>> {
    let all: Vec<_> = causes(&found.plan).collect();
    let mut list = Vec::with_capacity(all.len());
    for batch in all.chunks(NAMES_BATCH) {
        let names = names(index, found, batch).await?;
        for (path, cause) in batch {
            let name = found.graph.id(*path).and_then(|id| names.get(&id));
            let used = moment(last_use(found, *path));
            list.push(json!({
                "path": name.map(StorePath::as_str), "cause": cause.label(),
                "bytes": found.graph.file_size(*path), "lastUsed": used,
            }));
        }
    }
    Ok(list)
}

fn summary(storage: &Storage, Preview { plan, documents, .. }: &Preview) -> Map<String, Value> {
    let amount = |amount: &Amount| json!({ "paths": amount.paths, "bytes": amount.bytes });
    let kept = Reason::ALL.iter().zip(&plan.kept);
    let kept: HashMap<_, _> = kept.map(|(reason, kept)| (reason.label(), amount(kept))).collect();
    let freed = Cause::ALL.iter().zip(&plan.freed);
    let freed: HashMap<_, _> = freed.map(|(cause, freed)| (cause.label(), amount(freed))).collect();
    let orphans = json!({ "nars": plan.orphan_nars.len(), "bytes": plan.orphan_bytes });
    [
        ("index", json!(storage.index().database())),
        ("present", json!(plan.present_bytes())),
        ("kept", json!(kept)),
        ("freed", json!(freed)),
        ("orphans", orphans),
        ("waiting", json!(plan.waiting_bytes)),
        (
            "documents",
            json!({ "kept": counts(&documents.kept), "freed": counts(&documents.going) }),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn text(found: &Preview, retention: &Retention, would: &str) -> anyhow::Result<String> {
    let Preview { plan, documents, .. } = found;
    let mut text = String::new();
    let all = plan.kept_amount();
    writeln!(text, "kept: {}", paths(all.paths, all.bytes))?;
    for (reason, kept) in Reason::ALL.iter().zip(&plan.kept).filter(|(_, kept)| kept.paths > 0) {
        writeln!(text, "  {}: {}", paths(kept.paths, kept.bytes), reason.text())?;
    }
    if plan.waiting_bytes > 0 {
        writeln!(
            text,
            "  NARs without a path, {}: not old enough",
            HumanBytes(plan.waiting_bytes)
        )?;
    }
    let all = plan.freed_amount();
    writeln!(text, "{would}: {}", paths(all.paths, all.bytes))?;
    for (cause, freed) in Cause::ALL.iter().zip(&plan.freed).filter(|(_, freed)| freed.paths > 0) {
        writeln!(text, "  {}: {}", paths(freed.paths, freed.bytes), cause.text())?;
    }
    if !plan.orphan_nars.is_empty() {
        let count = plan.orphan_nars.len();
        writeln!(text, "  {count} NARs without a path, {}", HumanBytes(plan.orphan_bytes))?;
    }
    for (kind, count) in documents.going.by_kind().filter(|(_, count)| *count > 0) {
        writeln!(text, "  {count} {} without a path", kind.plural())?;
    }
    if plan.circular > 0 {
        writeln!(text, "  {} paths refer to each other in a circle, and stay", plan.circular)?;
    }
    if retention.keeps_everything() {
        text.push_str("no rule of [retention] lets anything go: see docs/retention.md\n");
    }
    if let Some(max) = retention.max_size {
        let used = plan.present_bytes();
        writeln!(text, "{} of max_size {} are used", HumanBytes(used), HumanBytes(max))?;
    }
    Ok(text)
}
