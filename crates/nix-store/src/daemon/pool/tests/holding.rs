//! Roots that are shared, kept for the next download, and given back with their connections.

use std::time::Duration;

use super::rig::{Rig, told, waits};

#[test]
fn daemon_is_asked_once_for_a_path_that_two_want() {
    let mut rig = Rig::new(|_| {});
    let mut first = rig.hold("/s/a");
    let mut second = rig.hold("/s/a");
    rig.open();
    rig.agree();
    assert_eq!((told(&mut first), told(&mut second)), (Ok(()), Ok(())));
    assert!(rig.asked.is_empty());

    rig.release("/s/a");
    rig.pass(Duration::from_secs(3600));
    assert!(rig.is_rooted("/s/a"), "one still needs it");
    rig.release("/s/a");
    assert!(!rig.is_rooted("/s/a"));
}

#[test]
fn a_released_root_serves_the_next_download_until_its_connection_is_retired() {
    let mut rig = Rig::new(|config| config.rotate_every = Duration::from_secs(60));
    rig.hold("/s/a");
    rig.serve();
    rig.release("/s/a");
    rig.pass(Duration::from_secs(59));
    assert_eq!(told(&mut rig.hold("/s/a")), Ok(()));
    rig.release("/s/a");

    rig.pass(Duration::from_secs(1));
    assert!(rig.roots.is_empty(), "nothing is kept that nobody needs");
    assert!(waits(&mut rig.hold("/s/a")));
}

#[test]
fn a_full_connection_is_closed_with_its_last_needed_root() {
    let mut rig = Rig::new(|config| config.rotate_after = 2);
    for path in ["/s/a", "/s/b", "/s/c"] {
        rig.hold(path);
        rig.serve();
    }
    assert_eq!(rig.roots.len(), 2);
    rig.release("/s/a");
    assert!(rig.is_rooted("/s/a"), "the daemon cannot drop one root");
    rig.release("/s/b");
    assert!(!rig.is_rooted("/s/a"));
    assert!(!rig.is_rooted("/s/b"));
    assert!(rig.is_rooted("/s/c"));
    assert_eq!(rig.pool.entries.len(), 1);
}

#[test]
fn a_connection_that_took_long_to_open_is_as_young_as_any_other() {
    let mut rig = Rig::new(|config| config.rotate_every = Duration::from_secs(60));
    rig.hold("/s/a");
    rig.pass(Duration::from_secs(61));
    rig.open();
    rig.agree();
    rig.release("/s/a");
    rig.pass(Duration::from_secs(59));
    assert_eq!(rig.roots.len(), 1);
    rig.pass(Duration::from_secs(1));
    assert!(rig.roots.is_empty());
}

#[test]
fn more_slow_downloads_than_connections_may_hold_are_still_held() {
    let mut rig = Rig::new(|config| {
        config.connections = 1;
        config.rotate_after = 1;
    });
    for path in 0..20 {
        let mut answer = rig.hold(&format!("/s/{path}"));
        rig.serve();
        assert_eq!(told(&mut answer), Ok(()));
    }
    assert_eq!(rig.roots.len(), 4);
    for path in 0..20 {
        assert!(rig.is_rooted(&format!("/s/{path}")));
        rig.release(&format!("/s/{path}"));
    }
    assert!(rig.roots.is_empty());
    assert_eq!(rig.pool.entries.len(), 0);
}
