//! `queue status`: why paths wait, as a user and a program read it.

use std::fs;

use rns_testing::{Process, Standard};
use serde_json::Value;

use super::{
    PUSH_TIMEOUT, program,
    queue::{Away, Place},
};
use crate::{
    service::systemd_notify::Manager,
    support::{eventually, within},
};

fn status(place: &Place) -> Value {
    let text = place.queue(&["status", "--json"]).success().text();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn it_says_why_paths_wait_since_when_and_until_when() {
    let (standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let token = place.scratch.write("token", "rns_wrong\n");
    place.hook(&[&standard.top]).success();
    let text = place.queue(&["status"]).success().text();
    assert!(text.contains("\nno daemon pushes it: "), "{text}");
    assert_eq!(
        (&status(&place)["daemon"], &status(&place)["outage"]),
        (&false.into(), &Value::Null)
    );

    let _daemon = place.daemon(&["queue", "run"], &standard.store, &away.url(), &token);
    eventually(|| status(&place)["outage"].is_object());
    let (outage, text) = (status(&place), place.queue(&["status"]).success().text());
    assert!(text.contains("\nthe cache is away since 20") && text.contains("next try"), "{text}");
    assert!(text.contains("cannot be reached") && !text.contains("no daemon"), "{text}");
    assert_eq!((&outage["daemon"], &outage["outage"]["unreachable"]), (&true.into(), &true.into()));
    for name in ["since", "nextTry"] {
        let time = outage["outage"][name].as_str().unwrap();
        assert!(time.starts_with("20") && time.contains('T') && time.ends_with('Z'), "{time}");
    }

    // Another reason, in the same outage.
    let _server = away.start(standard.store.store_dir().as_str());
    within(PUSH_TIMEOUT, || status(&place)["outage"]["unreachable"] == false);
    let refused = status(&place);
    assert_eq!(refused["outage"]["since"], outage["outage"]["since"]);
    let error = refused["outage"]["error"].as_str().unwrap();
    assert!(error.contains("does not know this credential"), "{error}");
    let text = place.queue(&["status"]).success().text();
    assert!(text.contains("\nnothing gets through since 20"), "{text}");
    fs::write(&token, &away.token).unwrap();
    within(PUSH_TIMEOUT, || place.waiting() == 0);
    eventually(|| status(&place)["outage"].is_null());
    assert_eq!(place.queue(&["status"]).success().text(), "nothing waits\n");
}

#[test]
fn a_retry_ends_the_pause_of_a_daemon() {
    let (standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let token = place.scratch.write("token", &away.token);
    place.hook(&[&standard.top]).success();
    let _daemon = place.daemon(&["queue", "run"], &standard.store, &away.url(), &token);
    // Pauses double: without that, so many attempts take minutes.
    within(std::time::Duration::from_secs(90), || {
        place.queue(&["retry"]).success();
        status(&place)["outage"]["attempts"].as_u64() > Some(9)
    });
}

#[test]
fn retry_and_drain_say_what_they_have_done() {
    let (standard, place, away) = (Standard::new(), Place::new(), Away::new());
    assert_eq!(place.queue(&["retry"]).success().text(), "nothing waits\n");
    place.hook(&[&standard.top]).success();
    let said = place.queue(&["retry"]).success().text();
    assert!(said.starts_with("1 path waits: no daemon pushes"), "{said}");
    let token = place.scratch.write("token", &away.token);
    let daemon = place.daemon(&["queue", "run"], &standard.store, &away.url(), &token);
    eventually(|| status(&place)["outage"].is_object());
    let said = place.queue(&["retry"]).success().text();
    assert_eq!(said, "1 path waits: the daemon ends its pause and tries now\n");
    drop(daemon);

    let _server = away.start(standard.store.store_dir().as_str());
    let drain = || {
        let more = ["--token-file", token.to_str().unwrap()];
        place.drain(&standard.store, &away.url(), &more).success().stderr
    };
    // The log is written by a thread of its own.
    let said = drain();
    assert!(said.contains("the queue is empty: 1 path taken"), "{said}");
    assert_eq!(drain().trim_end(), "nothing waits");
}

#[test]
fn a_drain_leaves_the_reason_for_the_status() {
    let (standard, place, away) = (Standard::new(), Place::new(), Away::new());
    place.hook(&[&standard.top]).success();
    assert_eq!(place.drain(&standard.store, &away.url(), &[]).status.code(), Some(3));
    let outage = status(&place)["outage"].take();
    assert_eq!((&outage["unreachable"], &outage["nextTry"]), (&true.into(), &Value::Null));
    place.queue(&["drop", "--all"]).success();
    place.hook(&[&standard.blob]).success();
    assert!(status(&place)["outage"].is_null(), "it was one of other paths");
}

#[test]
fn systemd_is_told_that_it_is_ready_why_paths_wait_and_that_it_watches() {
    let (standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let (manager, token) = (Manager::new(), place.scratch.write("token", &away.token));
    place.hook(&[&standard.top]).success();
    let root = standard.store.root().to_str().unwrap();
    let mut command = program(&["watch-store", "--store", root, "--to", &away.url()]);
    command.arg("--token-file").arg(token).arg("--queue").arg(&place.file);
    command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "500000");
    let _daemon = Process::start(&mut command);
    manager.next("READY=1");
    let status = manager.next("STATUS=1 path waits").join("\n");
    assert!(status.contains("cannot be reached"), "{status}");
    for _ in 0..3 {
        manager.next("WATCHDOG=1");
    }
}
