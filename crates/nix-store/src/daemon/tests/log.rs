//! The log for the operator: one line per change, none per download.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::daemon::pool::ConnectionId;
use crate::daemon::report::DaemonReport;
use crate::daemon::{DaemonError, WireError};

/// Keeps the lines from `INFO` upwards.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.push_str(&format!("{value:?}"));
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(format!("{} ", event.metadata().level()));
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The lines that `happen` leads to.
fn lines(happen: impl FnOnce(&mut DaemonReport, [ConnectionId; 3])) -> Vec<String> {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let ids = [1, 2, 3].map(ConnectionId);
        happen(&mut DaemonReport::new(Path::new("/socket")), ids);
    });
    let lines = lines.0.lock().unwrap();
    lines.clone()
}

fn absent() -> DaemonError {
    DaemonError::Unreachable(io::ErrorKind::NotFound.into())
}

#[test]
fn daemon_that_is_absent_for_long_is_said_once_and_its_return_too() {
    let lines = lines(|report, [first, second, third]| {
        report.lost(first, &absent(), false);
        report.lost(second, &absent(), false);
        report.agreed(third);
        report.agreed(third);
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("INFO there is no Nix daemon"));
    assert!(lines[1].starts_with("INFO the Nix daemon keeps paths alive"));
}

#[test]
fn daemon_that_turns_us_away_is_a_warning_with_the_remedy() {
    let lines =
        lines(|report, [first, ..]| report.lost(first, &DaemonError::TurnedAway(None), false));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("WARN ") && lines[0].contains("`allowed-users`"), "{lines:?}");
}

#[test]
fn an_old_connection_that_still_works_does_not_hide_that_new_ones_fail() {
    let lines = lines(|report, [first, second, third]| {
        report.agreed(first);
        report.lost(second, &absent(), false);
        report.agreed(first);
        report.lost(third, &absent(), false);
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_connection_closed_after_good_service_is_no_news() {
    let closed = || DaemonError::Wire(WireError::Closed);
    assert!(lines(|report, [first, ..]| report.lost(first, &closed(), true)).is_empty());
    assert_eq!(lines(|report, [first, ..]| report.lost(first, &closed(), false)).len(), 1);
}

#[test]
fn refused_paths_and_stalls_are_said_once() {
    let lines = lines(|report, ids| {
        for id in ids {
            let why = "path '/x' is not in the Nix store".to_owned();
            report.lost(id, &DaemonError::Refused(why), false);
            report.stalled(true);
        }
        report.stalled(false);
        report.stalled(false);
    });
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("WARN the Nix daemon refuses"));
    assert!(lines[1].starts_with("WARN the Nix daemon does not answer in time"));
    assert!(lines[2].starts_with("INFO "));
}
