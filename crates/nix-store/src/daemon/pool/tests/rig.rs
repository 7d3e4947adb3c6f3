//! A pool, a clock that is moved by hand, and the roots that a daemon would know.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, oneshot::error::TryRecvError};

use super::super::*;

pub(super) type Answer = oneshot::Receiver<Result<(), Unrooted>>;

pub(super) struct Rig {
    pub(super) pool: Pool,
    pub(super) now: Instant,
    pub(super) opening: BTreeSet<ConnectionId>,
    pub(super) asked: BTreeMap<ConnectionId, FullPath>,
    pub(super) roots: BTreeMap<ConnectionId, BTreeSet<FullPath>>,
    pub(super) opened: usize,
}

impl Rig {
    pub(super) fn new(change: impl FnOnce(&mut DaemonConfig)) -> Self {
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

    pub(super) fn act(&mut self) {
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

    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.opening.remove(&id);
        self.asked.remove(&id);
        self.roots.remove(&id);
    }

    pub(super) fn hold(&mut self, path: &str) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.pool.hold(path.into(), reply, self.now);
        self.act();
        answer
    }

    pub(super) fn release(&mut self, path: &str) {
        self.pool.release(&path.into(), self.now);
        self.act();
    }

    pub(super) fn open(&mut self) -> ConnectionId {
        let id = self.opening.pop_first().expect("a connection is being opened");
        self.roots.insert(id, BTreeSet::new());
        self.pool.opened(id, self.now);
        self.act();
        id
    }

    pub(super) fn fail_to_open(&mut self, cause: Unrooted) {
        let id = self.opening.pop_first().expect("a connection is being opened");
        self.pool.lost(id, cause, self.now);
        self.act();
    }

    pub(super) fn agree(&mut self) -> ConnectionId {
        let (id, path) = self.asked.pop_first().expect("something is asked");
        self.roots.entry(id).or_default().insert(path);
        self.pool.agreed(id, self.now);
        self.act();
        id
    }

    pub(super) fn refuse(&mut self) {
        let id = *self.asked.keys().next().expect("something is asked");
        self.forget(id);
        self.pool.lost(id, Unrooted::Refused, self.now);
        self.act();
    }

    pub(super) fn lose(&mut self, id: ConnectionId) {
        self.forget(id);
        self.pool.lost(id, Unrooted::Failed, self.now);
        self.act();
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.pool.tick(self.now);
        self.act();
    }

    /// Lets the daemon do everything that it is asked for.
    pub(super) fn serve(&mut self) {
        while !self.opening.is_empty() || !self.asked.is_empty() {
            if self.asked.is_empty() {
                self.open();
            } else {
                self.agree();
            }
        }
    }

    pub(super) fn is_rooted(&self, path: &str) -> bool {
        self.roots.values().any(|paths| paths.contains(path))
    }
}

pub(super) fn waits(answer: &mut Answer) -> bool {
    answer.try_recv() == Err(TryRecvError::Empty)
}

pub(super) fn told(answer: &mut Answer) -> Result<(), Unrooted> {
    answer.try_recv().expect("an answer")
}
