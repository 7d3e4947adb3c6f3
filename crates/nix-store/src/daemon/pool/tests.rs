use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;

type Answer = oneshot::Receiver<Result<(), Unrooted>>;

/// A pool, a clock that is moved by hand, and the roots that a daemon would know.
struct Rig {
    pool: Pool,
    now: Instant,
    opening: BTreeSet<ConnectionId>,
    asked: BTreeMap<ConnectionId, FullPath>,
    roots: BTreeMap<ConnectionId, BTreeSet<FullPath>>,
    opened: usize,
}

impl Rig {
    fn new(change: impl FnOnce(&mut DaemonConfig)) -> Self {
        let mut config = DaemonConfig::new("/socket");
        change(&mut config);
        Self {
            pool: Pool::new(config),
            now: Instant::now(),
            opening: BTreeSet::new(),
            asked: BTreeMap::new(),
            roots: BTreeMap::new(),
            opened: 0,
        }
    }

    fn act(&mut self) {
        for action in self.pool.take_actions() {
            match action {
                Action::Open(id) => {
                    self.opened += 1;
                    assert!(self.opening.insert(id));
                }
                Action::Ask(id, path) => {
                    assert!(self.roots.contains_key(&id), "asked before it was open");
                    assert!(self.asked.insert(id, path).is_none(), "two questions at once");
                }
                Action::Close(id) => self.forget(id),
            }
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        self.opening.remove(&id);
        self.asked.remove(&id);
        self.roots.remove(&id);
    }

    fn hold(&mut self, path: &str) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.pool.hold(path.into(), reply, self.now);
        self.act();
        answer
    }

    fn release(&mut self, path: &str) {
        self.pool.release(&path.into(), self.now);
        self.act();
    }

    fn open(&mut self) -> ConnectionId {
        let id = self.opening.pop_first().expect("a connection is being opened");
        self.roots.insert(id, BTreeSet::new());
        self.pool.opened(id, self.now);
        self.act();
        id
    }

    fn fail_to_open(&mut self, cause: Unrooted) {
        let id = self.opening.pop_first().expect("a connection is being opened");
        self.pool.lost(id, cause, self.now);
        self.act();
    }

    fn agree(&mut self) -> ConnectionId {
        let (id, path) = self.asked.pop_first().expect("something is asked");
        self.roots.entry(id).or_default().insert(path);
        self.pool.agreed(id, self.now);
        self.act();
        id
    }

    fn refuse(&mut self) {
        let id = *self.asked.keys().next().expect("something is asked");
        self.forget(id);
        self.pool.lost(id, Unrooted::Refused, self.now);
        self.act();
    }

    fn lose(&mut self, id: ConnectionId) {
        self.forget(id);
        self.pool.lost(id, Unrooted::Failed, self.now);
        self.act();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.pool.tick(self.now);
        self.act();
    }

    /// Lets the daemon do everything that it is asked for.
    fn serve(&mut self) {
        while !self.opening.is_empty() || !self.asked.is_empty() {
            if self.asked.is_empty() {
                self.open();
            } else {
                self.agree();
            }
        }
    }

    fn is_rooted(&self, path: &str) -> bool {
        self.roots.values().any(|paths| paths.contains(path))
    }
}

fn waits(answer: &mut Answer) -> bool {
    answer.try_recv() == Err(TryRecvError::Empty)
}

fn told(answer: &mut Answer) -> Result<(), Unrooted> {
    answer.try_recv().expect("an answer")
}

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

#[derive(Clone, Debug)]
enum Step {
    Hold(u8),
    Release(u8),
    Open,
    FailToOpen,
    Agree,
    Refuse,
    Lose(u8),
    Pass(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..8_u8).prop_map(Step::Hold),
        6 => (0..8_u8).prop_map(Step::Release),
        4 => Just(Step::Open),
        1 => Just(Step::FailToOpen),
        6 => Just(Step::Agree),
        1 => Just(Step::Refuse),
        1 => any::<u8>().prop_map(Step::Lose),
        2 => (1..20_000_u16).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn daemon_holds_what_is_held_and_nothing_else_whatever_happens(
        steps in steps(),
        connections in 1..3_usize,
        rotate_after in 1..4_usize,
    ) {
        let mut rig = Rig::new(|config| {
            config.connections = connections;
            config.rotate_after = rotate_after;
            config.rotate_every = Duration::from_secs(20);
            config.abandon_after = Duration::from_secs(30);
        });
        let mut holders: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Hold(path) => {
                    let path = format!("/s/{path}");
                    let answer = rig.hold(&path);
                    holders.entry(path).or_default().push(answer);
                }
                Step::Release(path) => {
                    let path = format!("/s/{path}");
                    if holders.get_mut(&path).and_then(Vec::pop).is_some() {
                        rig.release(&path);
                    }
                }
                Step::Open if !rig.opening.is_empty() => { rig.open(); }
                Step::FailToOpen if !rig.opening.is_empty() => rig.fail_to_open(Unrooted::Absent),
                Step::Agree if !rig.asked.is_empty() => { rig.agree(); }
                Step::Refuse if !rig.asked.is_empty() => rig.refuse(),
                Step::Lose(which) if !rig.roots.is_empty() => {
                    let id = *rig.roots.keys().nth(usize::from(which) % rig.roots.len()).unwrap();
                    rig.lose(id);
                }
                Step::Pass(milliseconds) => rig.pass(Duration::from_millis(milliseconds.into())),
                Step::Open | Step::FailToOpen | Step::Agree | Step::Refuse | Step::Lose(_) => {}
            }
            prop_assert!(rig.pool.members.len() <= connections * 4);
            // A caller that was told that a path is held, and stays, has it held on an open connection,
            // or on one that is on its way after a break.
            for (path, answers) in &mut holders {
                if answers.is_empty() { continue; }
                let pending = rig.asked.values().any(|asked| **asked == **path)
                    || rig.pool.queue.iter().any(|queued| **queued == **path);
                let refused = rig.pool.entries.get(&path.as_str().into()).is_some_and(|entry| entry.root == RootState::Refused);
                prop_assert!(pending || refused || rig.is_rooted(path), "{path} is lost");
            }
        }
        // A healthy daemon again: everything wanted is held, unless it was refused before.
        for _ in 0..3 {
            rig.serve();
            rig.pass(Duration::from_secs(2));
        }
        rig.serve();
        for (path, answers) in &mut holders {
            if answers.is_empty() { continue; }
            let refused = rig.pool.entries.get(&path.as_str().into()).is_some_and(|entry| entry.root == RootState::Refused);
            prop_assert!(refused || rig.is_rooted(path), "{path} is not held");
            for answer in answers {
                prop_assert!(!waits(answer), "somebody waits for {path}");
            }
        }
        // And when all is released, nothing remains.
        for (path, answers) in holders {
            for _ in answers {
                rig.release(&path);
            }
        }
        rig.pass(Duration::from_secs(20));
        prop_assert!(rig.roots.is_empty());
        prop_assert_eq!(rig.pool.entries.len(), 0);
        prop_assert_eq!(rig.pool.next_wakeup(rig.now), None);
    }
}
