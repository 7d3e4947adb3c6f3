//! The paths that downloads hold, or held a moment ago.

use std::collections::HashMap;

use super::names::{ConnectionId, FullPath, RootReply};
use crate::daemon::unrooted::Unrooted;

/// Where the root of a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootState {
    /// Nowhere: the path waits in the queue.
    Wanted,
    /// A connection was asked for it.
    Asked(ConnectionId),
    /// A connection keeps it, whether or not a download needs it at the moment.
    Held(ConnectionId),
    /// The daemon does not want to keep it.
    Refused,
}

/// The state of one path.
#[derive(Debug)]
pub(super) struct PathEntry {
    /// How many need it.
    pub(super) holders: usize,
    /// Those of them who wait for an answer.
    pub(super) waiting: Vec<RootReply>,
    pub(super) root: RootState,
    /// Whether it is in the queue.
    pub(super) queued: bool,
}

impl PathEntry {
    /// Answers all requests that wait.
    pub(super) fn tell(&mut self, outcome: Result<(), Unrooted>) {
        for reply in self.waiting.drain(..) {
            let _ = reply.send(outcome);
        }
    }

    /// Notes that the daemon does not want to keep the path.
    pub(super) fn refuse(&mut self) {
        self.root = RootState::Refused;
        self.queued = false;
        self.tell(Err(Unrooted::Refused));
    }
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    by_path: HashMap<FullPath, PathEntry>,
}

impl Entries {
    /// The entry of a path that one more needs.
    pub(super) fn want(&mut self, path: &FullPath) -> &mut PathEntry {
        let entry = self.by_path.entry(FullPath::clone(path)).or_insert_with(|| PathEntry {
            holders: 0,
            waiting: Vec::new(),
            root: RootState::Wanted,
            queued: false,
        });
        entry.holders += 1;
        entry
    }

    pub(super) fn get(&mut self, path: &FullPath) -> Option<&mut PathEntry> {
        self.by_path.get_mut(path)
    }

    pub(super) fn forget(&mut self, path: &FullPath) {
        self.by_path.remove(path);
    }

    /// Forgets a path unless a download needs it. Returns whether it did.
    pub(super) fn forget_unneeded(&mut self, path: &FullPath) -> bool {
        match self.by_path.get(path) {
            Some(entry) if entry.holders > 0 => false,
            _ => {
                self.by_path.remove(path);
                true
            }
        }
    }

    /// Marks a path whose root is gone. Returns whether it must be queued, that is, whether a download needs it.
    pub(super) fn want_again(&mut self, path: &FullPath) -> bool {
        if self.forget_unneeded(path) {
            return false;
        }
        if let Some(entry) = self.by_path.get_mut(path) {
            entry.root = RootState::Wanted;
            entry.queued = true;
        }
        true
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }
}
