//! Daemons that are absent or stuck, break connections, or refuse.

use std::time::Duration;

use super::{
    super::*,
    rig::{Rig, told, waits},
};

#[test]
fn nobody_waits_for_an_absent_daemon_and_it_is_not_tried_all_the_time() {
    let mut rig = Rig::new(|config| config.retry_after = Duration::from_secs(1));
    let mut first = rig.hold("/s/a");
    rig.fail_to_open(Unrooted::Absent);
    assert_eq!(told(&mut first), Err(Unrooted::Absent));
    for _ in 0..9 {
        assert_eq!(told(&mut rig.hold("/s/b")), Err(Unrooted::Absent));
        rig.release("/s/b");
        rig.pass(Duration::from_millis(100));
    }
    assert_eq!(rig.opened, 1);
    assert_eq!(rig.pool.next_wakeup(rig.now), Some(rig.now + Duration::from_millis(100)));

    // The download still runs: when the daemon is there, it is held after all.
    rig.pass(Duration::from_millis(100));
    rig.serve();
    assert_eq!(rig.opened, 2);
    assert!(rig.is_rooted("/s/a"));
}

#[test]
fn an_absent_daemon_is_left_alone_while_nothing_is_wanted() {
    let mut rig = Rig::new(|_| {});
    rig.hold("/s/a");
    rig.fail_to_open(Unrooted::Absent);
    rig.release("/s/a");
    assert_eq!(rig.pool.next_wakeup(rig.now), None);
    rig.pass(Duration::from_secs(3600));
    assert_eq!(rig.opened, 1);
}

#[test]
fn what_is_held_is_held_again_after_a_connection_broke() {
    let mut rig = Rig::new(|_| {});
    rig.hold("/s/a");
    rig.hold("/s/b");
    rig.serve();
    rig.release("/s/b");
    let broken = *rig.roots.keys().next().unwrap();
    rig.lose(broken);
    rig.serve();
    assert!(rig.is_rooted("/s/a"));
    assert!(!rig.is_rooted("/s/b"));
}

#[test]
fn a_question_whose_connection_broke_is_put_again() {
    let mut rig = Rig::new(|_| {});
    rig.hold("/s/a");
    rig.serve();
    let mut answer = rig.hold("/s/b");
    let broken = *rig.asked.keys().next().unwrap();
    rig.lose(broken);
    assert!(waits(&mut answer));
    rig.serve();
    assert_eq!(told(&mut answer), Ok(()));
    assert!(rig.is_rooted("/s/a"));
}

#[test]
fn a_daemon_that_only_breaks_connections_is_not_tried_all_the_time() {
    let mut rig = Rig::new(|_| {});
    let mut answer = rig.hold("/s/a");
    let id = rig.open();
    rig.lose(id);
    assert_eq!(told(&mut answer), Err(Unrooted::Failed));
    assert_eq!(rig.opened, 1);
}

#[test]
fn a_stuck_connection_does_not_keep_others_from_their_roots() {
    let mut rig = Rig::new(|config| config.connections = 1);
    let mut stuck = rig.hold("/s/a");
    let first = rig.open();
    let mut behind = rig.hold("/s/b");
    assert!(waits(&mut behind));
    rig.pass(Duration::from_secs(2));
    assert!(rig.pool.is_stalled(rig.now));
    let second = rig.open();
    assert_ne!(first, second);
    assert_eq!(rig.asked.remove(&second).as_deref(), Some("/s/b"));
    rig.pool.agreed(second, rig.now);
    rig.act();
    assert_eq!(told(&mut behind), Ok(()));

    assert!(waits(&mut stuck));
    assert_eq!(told(&mut rig.hold("/s/a")), Err(Unrooted::TimedOut), "known to be stuck");
    // The late answer still holds it.
    rig.agree();
    assert!(!rig.pool.is_stalled(rig.now));
    assert_eq!(told(&mut rig.hold("/s/a")), Ok(()));
}

#[test]
fn nobody_waits_when_every_connection_is_stuck() {
    let mut rig = Rig::new(|config| config.connections = 1);
    for path in ["/s/a", "/s/b", "/s/c", "/s/d"] {
        rig.hold(path);
        rig.open();
        rig.pass(Duration::from_secs(2));
    }
    assert_eq!(rig.asked.len(), 4);
    let mut answer = rig.hold("/s/e");
    assert_eq!(told(&mut answer), Err(Unrooted::TimedOut));
    assert_eq!(rig.opened, 4);
}

#[test]
fn a_daemon_that_accepts_but_never_greets_delays_only_the_first() {
    let mut rig = Rig::new(|_| {});
    let mut first = rig.hold("/s/a");
    rig.pass(Duration::from_secs(2));
    assert_eq!(told(&mut first), Err(Unrooted::TimedOut));
    assert_eq!(told(&mut rig.hold("/s/b")), Err(Unrooted::TimedOut));
    assert_eq!(rig.opened, 1);
    // It is given up at last, and tried anew.
    rig.pass(Duration::from_secs(298));
    assert!(rig.opening.is_empty());
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.opening.len(), 1);
}

#[test]
fn a_refused_path_costs_the_others_on_its_connection_nothing_but_a_new_one() {
    let mut rig = Rig::new(|_| {});
    rig.hold("/s/a");
    rig.serve();
    let mut refused = rig.hold("/s/b");
    rig.refuse();
    assert_eq!(told(&mut refused), Err(Unrooted::Refused));
    rig.serve();
    assert!(rig.is_rooted("/s/a"));
    assert!(!rig.is_rooted("/s/b"), "it is not asked for again");
    let mut next = rig.hold("/s/b");
    rig.serve();
    assert_eq!(told(&mut next), Ok(()), "unless somebody else wants it");
}

#[test]
fn a_daemon_that_refuses_everything_is_not_tried_all_the_time() {
    let mut rig = Rig::new(|_| {});
    rig.hold("/s/a");
    rig.open();
    rig.refuse();
    assert_eq!(told(&mut rig.hold("/s/b")), Err(Unrooted::Refused));
    assert_eq!(rig.opened, 1);
}
