//! `queue status`: the paths that wait, and the reason why they do.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rns_cache::moment;
use rns_push::{QueueOutage, QueueStatus};
use serde_json::{Value, json};

use super::place;
use crate::{
    client_args::QueuePlace,
    config::Environment,
    output::{CommandAnswer, lasting, print, waiting},
};

/// The state of a queue, and of the things that it needs.
struct ShownStatus {
    status: QueueStatus,
    /// While something waits.
    outage: Option<QueueOutage>,
    has_daemon: bool,
}

/// Prints the queue.
pub(super) fn run(
    json: bool,
    place: &QueuePlace,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let queue = place::open(place, environment)?;
    let status = queue.status()?;
    let outage = queue.outage()?.filter(|_| status.waiting > 0);
    let shown = ShownStatus { status, outage, has_daemon: queue.has_daemon()? };
    print(&if json { shown.as_json() } else { shown.as_text(SystemTime::now()) })?;
    Ok(CommandAnswer::Yes)
}

impl ShownStatus {
    fn as_json(&self) -> String {
        let Self { status, outage, has_daemon } = self;
        let failures = status.failures.iter().map(|failing| {
            json!({
                "path": failing.path,
                "attempts": failing.attempts,
                "nextTry": time(failing.next_try),
                "error": failing.error,
            })
        });
        let outage = outage.as_ref().map(|outage| {
            json!({
                "since": time(outage.since),
                "unreachable": outage.is_unreachable,
                "attempts": outage.attempts,
                "nextTry": outage.next_try.map(time),
                "error": outage.error,
            })
        });
        let all = json!({
            "waiting": status.waiting,
            "oldest": status.oldest.map(time),
            "failing": status.failing,
            "daemon": has_daemon,
            "outage": outage,
            "failures": failures.collect::<Vec<Value>>(),
        });
        format!("{all}\n")
    }

    fn as_text(&self, now: SystemTime) -> String {
        let Self { status, outage, has_daemon } = self;
        let ago = |seconds| lasting(now.duration_since(time_of(seconds)).unwrap_or_default());
        let next = |seconds| match time_of(seconds).duration_since(now) {
            Ok(left) if left.as_secs() > 0 => format!("next try in {}", lasting(left)),
            _ => "next try at once".to_owned(),
        };
        let mut text = waiting(status.waiting);
        // Writing to a text cannot fail.
        if let Some(oldest) = status.oldest {
            _ = write!(text, ", the oldest for {}", ago(oldest));
        }
        if status.failing > 0 {
            _ = write!(text, "; {} failed", status.failing);
        }
        text.push('\n');
        if let Some(outage) = outage {
            let QueueOutage { since, attempts, error, is_unreachable, .. } = outage;
            let state = if *is_unreachable { "the cache is away" } else { "nothing gets through" };
            _ = write!(text, "{state} since {} ({}, attempt {attempts}", time(*since), ago(*since));
            if let Some(next_try) = outage.next_try.filter(|_| *has_daemon) {
                _ = write!(text, ", {}", next(next_try));
            }
            _ = writeln!(text, "): {error}");
        }
        for failing in &status.failures {
            let (attempts, next) = (failing.attempts, next(failing.next_try));
            _ = writeln!(text, "{}: {} (attempt {attempts}, {next})", failing.path, failing.error);
        }
        if status.waiting > 0 && !has_daemon {
            text.push_str(
                "no daemon pushes it: `rust-nix-serve queue run`, or the service, does; \
                 `queue drain` pushes it once\n",
            );
        }
        text
    }
}

/// A time as JSON and texts have it, of so many seconds since the Unix epoch.
fn time(seconds: i64) -> String {
    moment(time_of(seconds))
}

fn time_of(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use rns_push::FailingPath;

    use super::*;

    fn shown(has_daemon: bool) -> ShownStatus {
        let failure = FailingPath {
            path: "x".to_owned(),
            attempts: 2,
            next_try: 1_240,
            error: "refused".to_owned(),
        };
        ShownStatus {
            status: QueueStatus {
                waiting: 3,
                oldest: Some(400),
                failing: 1,
                failures: vec![failure],
            },
            outage: Some(QueueOutage {
                since: 700,
                attempts: 9,
                next_try: Some(1_040),
                is_unreachable: true,
                error: "no route".to_owned(),
            }),
            has_daemon,
        }
    }

    #[test]
    fn a_person_reads_why_and_until_when() {
        let now = time_of(1_000);
        assert_eq!(
            shown(true).as_text(now),
            "3 paths wait, the oldest for 10m; 1 failed\n\
             the cache is away since 1970-01-01T00:11:40Z (5m, attempt 9, next try in 40s): no route\n\
             x: refused (attempt 2, next try in 4m)\n"
        );
        let without = shown(false).as_text(now);
        assert!(without.contains("(5m, attempt 9): no route\n"), "{without}");
        assert!(without.contains("\nno daemon pushes it: "), "{without}");
    }

    #[test]
    fn a_program_reads_the_same() {
        let json: Value = serde_json::from_str(&shown(true).as_json()).unwrap();
        assert_eq!(
            json["outage"],
            json!({
                "since": "1970-01-01T00:11:40Z",
                "unreachable": true,
                "attempts": 9,
                "nextTry": "1970-01-01T00:17:20Z",
                "error": "no route",
            })
        );
        assert_eq!(json["daemon"], json!(true));
    }
}
