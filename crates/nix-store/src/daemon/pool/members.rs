//! The connections of the pool: the state of each, and since when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::names::{ConnectionId, FullPath};
use crate::daemon::config::DaemonConfig;

/// How many connections there may be for each that takes new roots.
const MAX_OPEN_PER_CONNECTION: usize = 4;

/// The state of a connection.
#[derive(Debug)]
pub(super) enum MemberState {
    /// It is being opened, since the member exists.
    Opening,
    /// It waits for us.
    Idle,
    /// We wait for the answer about a path.
    Asking { path: FullPath, since: Instant },
}

/// One connection.
#[derive(Debug)]
pub(super) struct PoolMember {
    pub(super) state: MemberState,
    /// Since when it is open, or being opened.
    begun: Instant,
    /// How many roots the daemon keeps for it.
    roots: usize,
    /// The paths of those roots that are still in the table.
    pub(super) paths: Vec<FullPath>,
    /// How many of them downloads need.
    needed: usize,
    /// It takes no new roots if that can be avoided.
    pub(super) retired: bool,
    /// It has answered at least once.
    pub(super) proven: bool,
}

impl PoolMember {
    /// Whether it can be closed.
    pub(super) fn is_spent(&self) -> bool {
        self.retired && self.needed == 0 && matches!(self.state, MemberState::Idle)
    }

    /// Whether it can still grow too old.
    fn ages(&self) -> bool {
        !self.retired && !matches!(self.state, MemberState::Opening)
    }

    /// Since when we wait for it, if we do.
    fn waiting_since(&self) -> Option<Instant> {
        match self.state {
            MemberState::Opening => Some(self.begun),
            MemberState::Idle => None,
            MemberState::Asking { since, .. } => Some(since),
        }
    }

    fn is_overdue(&self, now: Instant, limit: Duration) -> bool {
        self.waiting_since().is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }
}

#[derive(Debug, Default)]
pub(super) struct PoolMembers {
    by_id: BTreeMap<ConnectionId, PoolMember>,
    opened: u64,
}

impl PoolMembers {
    pub(super) fn open(&mut self, now: Instant) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let member = PoolMember {
            state: MemberState::Opening,
            begun: now,
            roots: 0,
            paths: Vec::new(),
            needed: 0,
            retired: false,
            proven: false,
        };
        self.by_id.insert(id, member);
        id
    }

    /// Notes that a connection can be used.
    pub(super) fn opened(&mut self, id: ConnectionId, now: Instant) {
        if let Some(member) = self.get(id) {
            member.state = MemberState::Idle;
            member.begun = now;
        }
    }

    /// Notes that a connection is asked for a path.
    pub(super) fn ask(&mut self, id: ConnectionId, path: &FullPath, now: Instant) {
        if let Some(member) = self.get(id) {
            member.state = MemberState::Asking { path: FullPath::clone(path), since: now };
        }
    }

    /// Notes that a connection answered. Returns the path that it was asked for.
    pub(super) fn finish(&mut self, id: ConnectionId) -> Option<FullPath> {
        let member = self.get(id)?;
        match std::mem::replace(&mut member.state, MemberState::Idle) {
            MemberState::Asking { path, .. } => {
                member.proven = true;
                Some(path)
            }
            MemberState::Opening | MemberState::Idle => None,
        }
    }

    /// Counts a new root. Returns whether it is to be remembered: on a retired connection only a
    /// needed one is.
    pub(super) fn keep(&mut self, id: ConnectionId, path: &FullPath, needed: bool) -> bool {
        let Some(member) = self.get(id) else {
            return false;
        };
        member.roots += 1;
        if member.retired && !needed {
            return false;
        }
        member.paths.push(FullPath::clone(path));
        member.needed += usize::from(needed);
        true
    }

    /// Notes that a download needs a kept root again.
    pub(super) fn need(&mut self, id: ConnectionId) {
        if let Some(member) = self.get(id) {
            member.needed += 1;
        }
    }

    /// Notes that no download needs a kept root. Returns whether it is to be forgotten.
    pub(super) fn spare(&mut self, id: ConnectionId, path: &FullPath) -> bool {
        let Some(member) = self.get(id) else {
            return true;
        };
        member.needed = member.needed.saturating_sub(1);
        if member.retired {
            member.paths.retain(|kept| kept != path);
        }
        member.retired
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<PoolMember> {
        self.by_id.remove(&id)
    }

    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut PoolMember> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn roots(&self, id: ConnectionId) -> usize {
        self.by_id.get(&id).map_or(0, |member| member.roots)
    }

    /// The fullest connection that can take a root now, so that it is retired soon.
    pub(super) fn idle(&self) -> Option<ConnectionId> {
        self.by_id
            .iter()
            .filter(|(_, member)| !member.retired && matches!(member.state, MemberState::Idle))
            .max_by_key(|(_, member)| member.roots)
            .map(|(id, _)| *id)
    }

    /// The newest retired connection that could take a root: always the same one, so that the others
    /// come to their end.
    pub(super) fn idle_retired(&self) -> Option<ConnectionId> {
        self.by_id
            .iter()
            .rfind(|(_, member)| member.retired && matches!(member.state, MemberState::Idle))
            .map(|(id, _)| *id)
    }

    /// Whether one more connection may be opened: one at a time, so many that take roots, and not
    /// too many altogether.
    pub(super) fn has_room(&self, now: Instant, config: &DaemonConfig) -> bool {
        let mut useful = 0;
        for member in self.by_id.values() {
            let overdue = member.is_overdue(now, config.deadline);
            if matches!(member.state, MemberState::Opening) {
                return false;
            }
            useful += usize::from(!member.retired && !overdue);
        }
        useful < config.connections
            && self.by_id.len() < config.connections * MAX_OPEN_PER_CONNECTION
    }

    /// Whether something that we wait for may still come in time.
    pub(super) fn any_promising(&self, now: Instant, config: &DaemonConfig) -> bool {
        self.by_id.values().any(|member| {
            member.waiting_since().is_some() && !member.is_overdue(now, config.deadline)
        })
    }

    pub(super) fn any_overdue(&self, now: Instant, config: &DaemonConfig) -> bool {
        self.by_id.values().any(|member| member.is_overdue(now, config.deadline))
    }

    pub(super) fn is_overdue(&self, id: ConnectionId, now: Instant, config: &DaemonConfig) -> bool {
        self.by_id.get(&id).is_some_and(|member| member.is_overdue(now, config.deadline))
    }

    /// The connections that we have waited for as long as `limit`.
    pub(super) fn waiting_since(&self, now: Instant, limit: Duration) -> Vec<ConnectionId> {
        self.ids(|member| member.is_overdue(now, limit))
    }

    /// The connections that take new roots although they are as old as `limit`.
    pub(super) fn older_than(&self, now: Instant, limit: Duration) -> Vec<ConnectionId> {
        self.ids(|member| member.ages() && now.saturating_duration_since(member.begun) >= limit)
    }

    /// When the next of them becomes overdue, is to be given up, or comes of age.
    pub(super) fn next_wakeup(&self, now: Instant, config: &DaemonConfig) -> Option<Instant> {
        self.by_id
            .values()
            .flat_map(|member| {
                let since = member.waiting_since();
                let of_age = member.ages().then(|| member.begun + config.rotate_every);
                let overdue =
                    since.map(|since| since + config.deadline).filter(|overdue| *overdue > now);
                let abandoned = since.map(|since| since + config.abandon_after);
                [of_age, overdue, abandoned]
            })
            .flatten()
            .min()
    }

    fn ids(&self, wanted: impl Fn(&PoolMember) -> bool) -> Vec<ConnectionId> {
        self.by_id.iter().filter(|(_, member)| wanted(member)).map(|(id, _)| *id).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
