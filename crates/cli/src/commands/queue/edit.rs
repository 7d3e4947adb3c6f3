//! `queue status`, `retry` and `drop`.

use std::{
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use rns_push::{Queue, QueueStatus, become_owner};
use serde_json::json;

use super::place;
use crate::{
    client_args::QueuePlace,
    config::{Environment, Span},
    output::{Answer, counted, moment, print, waiting},
};

fn open(place: &QueuePlace, environment: &Environment) -> anyhow::Result<Queue> {
    let file = place::file(place, environment)?;
    become_owner(&file).context("cannot become the user whose queue it is")?;
    Ok(Queue::open(&file)?)
}

/// Prints the queue.
pub(super) fn status(
    json: bool,
    place: &QueuePlace,
    environment: &Environment,
) -> anyhow::Result<Answer> {
    let status = open(place, environment)?.status()?;
    print(&if json { as_json(&status) } else { as_text(&status) })?;
    Ok(Answer::Yes)
}

fn as_json(status: &QueueStatus) -> String {
    let failures = status.failures.iter().map(|failing| {
        json!({
            "path": failing.path,
            "attempts": failing.attempts,
            "nextTry": moment(time_of(failing.next_try)),
            "error": failing.error,
        })
    });
    let failures: Vec<_> = failures.collect();
    let QueueStatus { waiting, failing, .. } = status;
    let oldest = status.oldest.map(|oldest| moment(time_of(oldest)));
    let all =
        json!({ "waiting": waiting, "oldest": oldest, "failing": failing, "failures": failures });
    format!("{all}\n")
}

fn as_text(status: &QueueStatus) -> String {
    let mut text = waiting(status.waiting);
    if let Some(oldest) = status.oldest {
        // Writing to a text cannot fail.
        _ = write!(text, ", the oldest for {}", Span::seconds(since(oldest)));
    }
    if status.failing > 0 {
        _ = write!(text, "; {} failed", status.failing);
    }
    text.push('\n');
    for failing in &status.failures {
        _ = writeln!(text, "{}: {} (attempt {})", failing.path, failing.error, failing.attempts);
    }
    text
}

fn since(moment: i64) -> u64 {
    SystemTime::now().duration_since(time_of(moment)).unwrap_or_default().as_secs()
}

/// The time of so many seconds since the Unix epoch.
fn time_of(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Has everything tried soon.
pub(super) fn retry(place: &QueuePlace, environment: &Environment) -> anyhow::Result<Answer> {
    let count = open(place, environment)?.retry()?;
    print(&format!("tried soon: {}\n", counted(count as u64, "path")))?;
    Ok(Answer::Yes)
}

/// Takes paths out; without any, all, or those that have failed.
pub(super) fn drop_paths(
    paths: &[PathBuf],
    failing: bool,
    place: &QueuePlace,
    environment: &Environment,
) -> anyhow::Result<Answer> {
    let queue = open(place, environment)?;
    let count = if paths.is_empty() {
        queue.drop_all(failing)?
    } else {
        let paths: Vec<_> = paths.iter().map(|path| place::base(path)).collect::<Result<_, _>>()?;
        queue.drop_paths(&paths)?
    };
    print(&format!("taken out: {}\n", counted(count as u64, "path")))?;
    Ok(if paths.is_empty() || count == paths.len() { Answer::Yes } else { Answer::No })
}
