//! Holding paths through a scripted daemon on a socket.

use std::time::{Duration, Instant};

use rns_formats::{StoreDir, StorePath};

use super::fake::{FakeDaemon, Mood};
use crate::daemon::{DaemonConfig, HeldRoot, TempRoots, Unrooted};

/// A folder for a socket, a daemon there, and a configuration with short times.
fn daemon() -> (tempfile::TempDir, FakeDaemon, DaemonConfig) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let mut config = DaemonConfig::new(&socket);
    config.deadline = Duration::from_millis(500);
    config.retry_after = Duration::from_millis(100);
    let daemon = FakeDaemon::start(&socket);
    (dir, daemon, config)
}

async fn hold(roots: &TempRoots, path: &str) -> HeldRoot {
    roots.hold_full(path.into()).await
}

/// Waits for something that happens on another thread.
async fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never happened");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_path_is_held_until_the_last_of_its_downloads_ends() {
    let (_dir, daemon, mut config) = daemon();
    config.rotate_after = 1;
    let roots = TempRoots::new(config);
    let path = StorePath::parse("00000000000000000000000000000000-hello").unwrap();
    let first = roots.hold(&StoreDir::default(), &path).await;
    let second = roots.hold(&StoreDir::default(), &path).await;
    assert!(first.is_rooted() && second.is_rooted());
    assert_eq!(daemon.roots(), ["/nix/store/00000000000000000000000000000000-hello"]);
    assert_eq!((roots.rooted(), roots.held()), (2, 2));

    drop(first);
    let other = hold(&roots, "/nix/store/other").await;
    assert_eq!(daemon.roots().len(), 2);
    drop(second);
    until(|| daemon.roots() == ["/nix/store/other"]).await;
    drop(other);
    until(|| daemon.roots().is_empty()).await;
    assert_eq!(roots.held(), 0);
    assert_eq!(daemon.asked().len(), 2);
}

#[tokio::test]
async fn a_held_path_outlives_the_handle_and_then_all_ends() {
    let (_dir, daemon, config) = daemon();
    let roots = TempRoots::new(config);
    let held = hold(&roots, "/s/a").await;
    drop(roots);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(daemon.roots(), ["/s/a"]);
    drop(held);
    until(|| daemon.roots().is_empty()).await;
}

#[tokio::test]
async fn a_daemon_that_hangs_delays_a_download_until_the_deadline_only() {
    let (_dir, daemon, config) = daemon();
    let deadline = config.deadline;
    let roots = TempRoots::new(config);
    daemon.be(Mood::Hang);
    let begun = Instant::now();
    let late = hold(&roots, "/s/a").await;
    let waited = begun.elapsed();
    assert_eq!(late.why_unrooted(), Some(Unrooted::TimedOut));
    assert!(waited >= deadline && waited < deadline * 4, "{waited:?}");
    assert_eq!(roots.unrooted(Unrooted::TimedOut), 1);

    // The late answer still holds the path, which is still being downloaded, and the connection is used again.
    daemon.be(Mood::Agree);
    until(|| daemon.roots() == ["/s/a"]).await;
    while !hold(&roots, "/s/a").await.is_rooted() {}
    let next = hold(&roots, "/s/b").await;
    assert!(next.is_rooted());
    assert_eq!(daemon.accepted(), 1);
}

#[tokio::test]
async fn a_connection_whose_answer_is_late_gets_no_other_question() {
    let (_dir, daemon, config) = daemon();
    let roots = TempRoots::new(config);
    daemon.be(Mood::Hang);
    let (late, joined) = tokio::join!(hold(&roots, "/s/a"), hold(&roots, "/s/a"));
    assert!(!late.is_rooted() && !joined.is_rooted());
    assert_eq!(daemon.asked(), ["/s/a"]);
    let other = hold(&roots, "/s/b").await;
    assert_eq!(daemon.accepted(), 2);
    assert_eq!(daemon.asked(), ["/s/a", "/s/b"]);
    drop(other);
}

#[tokio::test]
async fn a_download_that_is_given_up_while_it_waits_leaves_nothing_held() {
    let (_dir, daemon, mut config) = daemon();
    config.rotate_after = 1;
    config.deadline = Duration::from_secs(60);
    let roots = TempRoots::new(config);
    daemon.be(Mood::Hang);
    tokio::select! {
        _ = hold(&roots, "/s/a") => panic!("it hangs"),
        () = until(|| daemon.asked() == ["/s/a"]) => {}
    }
    assert_eq!((roots.held(), daemon.open()), (0, 1));
    daemon.be(Mood::Agree);
    until(|| daemon.open() == 0).await;
    assert_eq!(roots.rooted(), 0);
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let (_dir, daemon, mut config) = daemon();
    config.waiting = 2;
    let roots = TempRoots::new(config);
    daemon.be(Mood::Hang);
    let (first, second, third) = tokio::join!(hold(&roots, "/s/a"), hold(&roots, "/s/b"), async {
        let begun = Instant::now();
        let held = hold(&roots, "/s/c").await;
        assert!(begun.elapsed() < Duration::from_millis(100));
        held
    },);
    assert_eq!(first.why_unrooted(), Some(Unrooted::TimedOut));
    assert_eq!(second.why_unrooted(), Some(Unrooted::TimedOut));
    assert_eq!(third.why_unrooted(), Some(Unrooted::Busy));
    assert_eq!(roots.unrooted(Unrooted::Busy), 1);
}

#[tokio::test]
async fn c94_a_restarted_daemon_holds_what_was_held_and_what_comes() {
    let (_dir, daemon, config) = daemon();
    let socket = config.socket.clone();
    let roots = TempRoots::new(config);
    let held = hold(&roots, "/s/a").await;
    assert!(held.is_rooted());
    daemon.stop().await;
    let absent = hold(&roots, "/s/b").await;
    assert_eq!(absent.why_unrooted(), Some(Unrooted::Absent));

    let daemon = FakeDaemon::start(&socket);
    until(|| daemon.roots() == ["/s/a", "/s/b"]).await;
    assert!(hold(&roots, "/s/c").await.is_rooted());
}

#[tokio::test]
async fn a_running_download_is_held_by_the_next_daemon_without_anybody_asking() {
    let (_dir, daemon, config) = daemon();
    let socket = config.socket.clone();
    let roots = TempRoots::new(config);
    let held = hold(&roots, "/s/a").await;
    daemon.stop().await;
    let daemon = FakeDaemon::start(&socket);
    until(|| daemon.roots() == ["/s/a"]).await;
    drop(held);
}

#[tokio::test]
async fn an_absent_daemon_costs_no_time_and_is_found_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let mut config = DaemonConfig::new(&socket);
    config.retry_after = Duration::from_millis(50);
    let roots = TempRoots::new(config);
    let begun = Instant::now();
    for _ in 0..100 {
        let held = hold(&roots, "/s/a").await;
        assert_eq!(held.why_unrooted(), Some(Unrooted::Absent));
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(roots.unrooted(Unrooted::Absent), 100);

    let daemon = FakeDaemon::start(&socket);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(hold(&roots, "/s/a").await.is_rooted());
    assert_eq!(daemon.accepted(), 1);
}

#[tokio::test]
async fn each_way_to_fail_has_its_cause() {
    for (mood, cause) in [
        (Mood::Refuse, Unrooted::Refused),
        (Mood::TurnAway, Unrooted::Refused),
        (Mood::Close, Unrooted::Failed),
        (Mood::Garble, Unrooted::Failed),
    ] {
        let (_dir, daemon, config) = daemon();
        let roots = TempRoots::new(config);
        daemon.be(mood);
        let held = hold(&roots, "/s/a").await;
        assert_eq!(held.why_unrooted(), Some(cause), "{mood:?}");
        assert_eq!(roots.unrooted(cause), 1, "{mood:?}");
        // And a daemon that has mended its ways is used again.
        daemon.be(Mood::Agree);
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert!(hold(&roots, "/s/b").await.is_rooted(), "{mood:?}");
    }
    let disabled = TempRoots::disabled();
    let held = hold(&disabled, "/s/a").await;
    assert_eq!(held.why_unrooted(), Some(Unrooted::Disabled));
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let (_dir, daemon, mut config) = daemon();
    config.rotate_every = Duration::from_millis(100);
    let roots = TempRoots::new(config);
    drop(hold(&roots, "/s/a").await);
    until(|| daemon.roots().is_empty()).await;
    assert!(hold(&roots, "/s/a").await.is_rooted());
    assert_eq!(daemon.accepted(), 2);
}

#[test]
fn runtimes_of_several_threads_share_the_connections() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let daemons = runtime();
    let socket = dir.path().join("socket");
    let daemon = {
        let _inside = daemons.enter();
        FakeDaemon::start(&socket)
    };
    let mut config = DaemonConfig::new(&socket);
    config.rotate_after = 16;
    config.deadline = Duration::from_secs(20);
    let roots = TempRoots::new(config);
    let (done, finished) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let roots = roots.clone();
                scope.spawn(move || {
                    runtime().block_on(async {
                        for round in 0..50 {
                            let own = hold(&roots, &format!("/s/{worker}-{round}")).await;
                            let shared = hold(&roots, &format!("/s/{round}")).await;
                            assert!(own.is_rooted() && shared.is_rooted());
                        }
                    });
                })
            })
            .collect();
        scope.spawn(|| daemons.block_on(finished));
        for worker in workers {
            worker.join().unwrap();
        }
        done.send(()).unwrap();
    });
    assert_eq!(roots.rooted(), 400);
    assert_eq!(roots.held(), 0);
    // 200 paths of their own and 50 shared ones, these sometimes again on a later connection.
    assert!((250..=400).contains(&daemon.asked().len()));
}
