//! Which connection holds which path: the decisions, without doing anything.
//!
//! The pool is told of events (a download wants a path, a connection opened, an answer came, time
//! passed) and returns the actions to take. It never waits, reads no clock and opens no socket,
//! so that every order of events can be tried in a test.
//!
//! Rules:
//! - A path is asked for once, however many downloads want it.
//! - A root stays where it is when it is released, and serves the next one who wants that path, until
//!   its connection is retired: after a number of roots, or at an age. A retired connection is
//!   closed with its last needed root.
//! - A path that is still wanted when a connection breaks is asked for again on another.
//! - No request waits in vain: when no connection can answer in time, all of them are told.

mod entries;
mod members;
mod names;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

use self::entries::{Entries, RootState};
use self::members::{MemberState, PoolMembers};
use super::config::DaemonConfig;
use super::unrooted::Unrooted;

pub(super) use self::names::{ConnectionId, FullPath, RootReply};

/// An action for the owner of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Connect to the daemon; [`Pool::opened`] or [`Pool::lost`] follows.
    Open(ConnectionId),
    /// Ask for a root; [`Pool::agreed`] or [`Pool::lost`] follows.
    Ask(ConnectionId, FullPath),
    /// Drop the connection; nothing may follow.
    Close(ConnectionId),
}

/// The connections to the daemon and the paths they hold.
#[derive(Debug)]
pub(super) struct Pool {
    config: DaemonConfig,
    entries: Entries,
    members: PoolMembers,
    /// The wanted paths that no connection was asked for yet: exactly the entries that are [`RootState::Wanted`].
    queue: VecDeque<FullPath>,
    /// No connection is opened before this time; and the last failure.
    pause: Option<(Instant, Unrooted)>,
    actions: Vec<Action>,
}

impl Pool {
    pub(super) fn new(mut config: DaemonConfig) -> Self {
        config.connections = config.connections.max(1);
        config.rotate_after = config.rotate_after.max(1);
        Self {
            config,
            entries: Entries::default(),
            members: PoolMembers::default(),
            queue: VecDeque::new(),
            pause: None,
            actions: Vec::new(),
        }
    }

    /// A download wants a path to stay. Each call is followed by one of [`Self::release`].
    pub(super) fn hold(&mut self, path: FullPath, reply: RootReply, now: Instant) {
        let entry = self.entries.want(&path);
        match entry.root {
            RootState::Held(id) => {
                if entry.holders == 1 {
                    self.members.need(id);
                }
                // A download that does not wait any more has released the path, or will.
                let _ = reply.send(Ok(()));
            }
            RootState::Asked(id) if self.members.is_overdue(id, now, &self.config) => {
                let _ = reply.send(Err(Unrooted::TimedOut));
            }
            RootState::Asked(_) => entry.waiting.push(reply),
            RootState::Wanted if entry.queued => entry.waiting.push(reply),
            RootState::Wanted | RootState::Refused => {
                entry.waiting.push(reply);
                entry.root = RootState::Wanted;
                entry.queued = true;
                self.queue.push_back(path);
            }
        }
        self.dispatch(now);
    }

    /// A download that wanted a path does not need it any more.
    pub(super) fn release(&mut self, path: &FullPath, now: Instant) {
        let Some(entry) = self.entries.get(path) else {
            return;
        };
        entry.holders = entry.holders.saturating_sub(1);
        if entry.holders > 0 {
            return;
        }
        match entry.root {
            // The answer decides.
            RootState::Asked(_) => {}
            RootState::Wanted | RootState::Refused => {
                self.queue.retain(|queued| queued != path);
                self.entries.forget(path);
            }
            RootState::Held(id) => {
                if self.members.spare(id, path) {
                    self.entries.forget(path);
                }
                self.settle(id);
            }
        }
        self.dispatch(now);
    }

    /// A connection is greeted and waits for questions.
    pub(super) fn opened(&mut self, id: ConnectionId, now: Instant) {
        self.members.opened(id, now);
        self.dispatch(now);
    }

    /// The daemon keeps the path it was asked for.
    pub(super) fn agreed(&mut self, id: ConnectionId, now: Instant) {
        let Some(path) = self.members.finish(id) else {
            return;
        };
        if let Some(entry) = self.entries.get(&path) {
            entry.tell(Ok(()));
            if self.members.keep(id, &path, entry.holders > 0) {
                entry.root = RootState::Held(id);
            } else {
                self.entries.forget(&path);
            }
        }
        if self.members.roots(id) >= self.config.rotate_after {
            self.retire(id);
        }
        self.settle(id);
        self.dispatch(now);
    }

    /// A connection could not be opened, or broke, perhaps over the path that it was asked for.
    /// Returns whether it had kept any before.
    pub(super) fn lost(&mut self, id: ConnectionId, cause: Unrooted, now: Instant) -> bool {
        let Some(member) = self.members.remove(id) else {
            return false;
        };
        // One that served well was probably closed by a restart: the next may be opened at once.
        if !member.proven {
            self.pause = Some((now + self.config.retry_after, cause));
        }
        for path in member.paths {
            if self.entries.want_again(&path) {
                self.queue.push_back(path);
            }
        }
        if let MemberState::Asking { path, .. } = member.state
            && self.entries.want_again(&path)
        {
            match self.entries.get(&path) {
                Some(entry) if cause == Unrooted::Refused => entry.refuse(),
                _ => self.queue.push_front(path),
            }
        }
        self.dispatch(now);
        member.proven
    }

    /// Time has passed: at least up to [`Self::next_wakeup`].
    pub(super) fn tick(&mut self, now: Instant) {
        for id in self.members.waiting_since(now, self.config.abandon_after) {
            self.actions.push(Action::Close(id));
            self.lost(id, Unrooted::TimedOut, now);
        }
        for id in self.members.older_than(now, self.config.rotate_every) {
            self.retire(id);
            self.settle(id);
        }
        self.dispatch(now);
    }

    /// When [`Self::tick`] must be called, unless something else happens before.
    pub(super) fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        let pause = match self.pause {
            Some((until, _)) if !self.queue.is_empty() && until > now => Some(until),
            _ => None,
        };
        let members = self.members.next_wakeup(now, &self.config);
        pause.into_iter().chain(members).min()
    }

    /// Whether a connection has not answered for longer than any download waits.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.members.any_overdue(now, &self.config)
    }

    /// The actions that are due now, in this order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Gives queued paths to connections, opens one if that helps, or tells all that nothing does.
    fn dispatch(&mut self, now: Instant) {
        while !self.queue.is_empty() {
            let id = match self.members.idle() {
                Some(id) => id,
                None if self.may_open(now) => {
                    self.actions.push(Action::Open(self.members.open(now)));
                    return;
                }
                None if self.members.any_promising(now, &self.config) => return,
                None => match self.members.idle_retired() {
                    Some(id) => id,
                    None => return self.give_up(now),
                },
            };
            if let Some(path) = self.queue.pop_front()
                && let Some(entry) = self.entries.get(&path)
            {
                entry.queued = false;
                entry.root = RootState::Asked(id);
                self.members.ask(id, &path, now);
                self.actions.push(Action::Ask(id, path));
            }
        }
    }

    fn may_open(&self, now: Instant) -> bool {
        let paused = matches!(self.pause, Some((until, _)) if until > now);
        !paused && self.members.has_room(now, &self.config)
    }

    /// Lets go all who wait. Their paths stay wanted, for when the daemon is back.
    fn give_up(&mut self, now: Instant) {
        let cause = match self.pause {
            Some((until, cause)) if until > now => cause,
            _ => Unrooted::TimedOut,
        };
        for path in &self.queue {
            if let Some(entry) = self.entries.get(path) {
                entry.tell(Err(cause));
            }
        }
    }

    /// Lets a connection take no new roots, and forgets those on it that no download needs.
    fn retire(&mut self, id: ConnectionId) {
        if let Some(member) = self.members.get(id) {
            member.retired = true;
            let entries = &mut self.entries;
            member.paths.retain(|path| !entries.forget_unneeded(path));
        }
    }

    /// Closes a retired connection that no download needs.
    fn settle(&mut self, id: ConnectionId) {
        if self.members.get(id).is_some_and(|member| member.is_spent()) {
            self.members.remove(id);
            self.actions.push(Action::Close(id));
        }
    }
}
