//! The list of the connections that are open.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::activity::Activity;
use crate::{config::Limits, connection::listen::Purpose, response::send_budget::Pressure};

/// Connections to the listeners for monitoring. They have places of their own, so that it can be seen that
/// all others are taken.
pub(crate) const MAX_METRICS_CONNECTIONS: usize = 64;

/// Connections that may ever have sent a head of more than [`MAX_USUAL_HEAD_BYTES`]: the framework keeps the memory for it.
const MAX_LONG_HEADS: usize = 64;

/// Bytes of a head that no client needs.
pub(super) const MAX_USUAL_HEAD_BYTES: u64 = 16 << 10;

/// How often it is looked which connections have taken too long for something.
const ROSTER_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Connections that are found at once when there must be room.
const MAX_CLOSE_CANDIDATES: usize = 64;

/// All connections. Clones share the list.
#[derive(Clone, Debug)]
pub(crate) struct Roster(Arc<SharedRoster>);

#[derive(Debug)]
struct SharedRoster {
    max_connections: usize,
    lists: Mutex<Lists>,
    long_heads: AtomicUsize,
}

#[derive(Debug, Default)]
struct Lists {
    last: u64,
    clients: List,
    metrics: List,
}

#[derive(Debug, Default)]
struct List {
    open: HashMap<u64, Arc<Activity>>,
    /// Those that were found to be the longest idle, the longest last.
    spare: Vec<(u64, Arc<Activity>)>,
}

/// All places are taken by connections that are in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

/// A connection that has a place, until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    roster: Roster,
    purpose: Purpose,
    number: u64,
    activity: Arc<Activity>,
}

impl Roster {
    pub(crate) fn new(max_connections: usize) -> Self {
        Self(Arc::new(SharedRoster {
            max_connections: max_connections.max(1),
            lists: Mutex::default(),
            long_heads: AtomicUsize::new(0),
        }))
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.0.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection a place. Where all are taken, the connection that has been idle for longest makes room, otherwise
    /// the one whose client has taken nothing for longest.
    pub(crate) fn join(&self, purpose: Purpose) -> Result<OpenConnection, Full> {
        let activity = Arc::new(Activity::new());
        let number = {
            let mut lists = self.lists();
            lists.last += 1;
            let number = lists.last;
            let max = self.max_of(purpose);
            let list = lists.of(purpose);
            if list.open.len() >= max {
                list.make_room()?;
            }
            list.open.insert(number, Arc::clone(&activity));
            number
        };
        Ok(OpenConnection { roster: self.clone(), purpose, number, activity })
    }

    fn max_of(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Clients | Purpose::Nginx => self.0.max_connections,
            Purpose::Metrics => MAX_METRICS_CONNECTIONS,
        }
    }

    /// Closes connections that take too long for something, for ever, and those that take nothing while others wait.
    pub(crate) async fn watch(&self, limits: &Limits, pressure: &Pressure) -> Infallible {
        let mut interval = tokio::time::interval(ROSTER_POLL_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let lists = self.lists();
            let mut stalled = Vec::new();
            for activity in lists.clients.open.values().chain(lists.metrics.open.values()) {
                if let Some(why) = activity.overdue(limits) {
                    tracing::debug!(?why, "a connection is closed");
                    activity.close();
                } else if let Some(time) = activity.stalled() {
                    stalled.push((time, activity));
                }
            }
            stalled.sort_unstable_by_key(|(time, _)| std::cmp::Reverse(*time));
            for (_, activity) in stalled {
                if !pressure.take() {
                    break;
                }
                tracing::debug!("a connection is closed: it takes nothing, and others wait");
                activity.close();
            }
        }
    }
}

impl Lists {
    const fn of(&mut self, purpose: Purpose) -> &mut List {
        match purpose {
            Purpose::Clients | Purpose::Nginx => &mut self.clients,
            Purpose::Metrics => &mut self.metrics,
        }
    }
}

impl List {
    /// Closes one connection.
    fn make_room(&mut self) -> Result<(), Full> {
        // Those that were found before may be in use by now, or gone.
        if let Some(number) = self.next_spare().or_else(|| {
            self.look_for_spare();
            self.next_spare()
        }) && let Some(activity) = self.open.remove(&number)
        {
            activity.close();
            return Ok(());
        }
        Err(Full)
    }

    fn next_spare(&mut self) -> Option<u64> {
        while let Some((number, activity)) = self.spare.pop() {
            if self.open.contains_key(&number) && activity.spare().is_some() {
                return Some(number);
            }
        }
        None
    }

    fn look_for_spare(&mut self) {
        let mut spare: Vec<_> = self
            .open
            .iter()
            .filter_map(|(number, open)| Some((open.spare()?, number, open)))
            .collect();
        spare.sort_unstable_by_key(|(spare, ..)| *spare);
        let from = spare.len().saturating_sub(MAX_CLOSE_CANDIDATES);
        let longest = spare.into_iter().skip(from);
        self.spare = longest.map(|(_, number, open)| (*number, Arc::clone(open))).collect();
    }
}

impl OpenConnection {
    pub(crate) const fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.roster.lists().of(self.purpose).open.remove(&self.number);
    }
}

impl Roster {
    /// Lets a connection keep a long head in memory; `None` when too many do.
    pub(super) fn long_head(&self) -> Option<LongHead> {
        let counted = LongHead(Arc::clone(&self.0));
        (self.0.long_heads.fetch_add(1, Relaxed) < MAX_LONG_HEADS).then_some(counted)
    }
}

/// Counts a connection that has had a long head.
#[derive(Debug)]
pub(super) struct LongHead(Arc<SharedRoster>);

impl Drop for LongHead {
    fn drop(&mut self) {
        self.0.long_heads.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_closed(open: &OpenConnection) -> bool {
        open.activity().until_closed(std::future::ready(())).await.is_none()
    }

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_those_in_use_do_not() {
        let roster = Roster::new(3);
        let busy = roster.join(Purpose::Clients).unwrap();
        busy.activity().request_begins();
        let old = roster.join(Purpose::Clients).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let young = roster.join(Purpose::Nginx).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let new = roster.join(Purpose::Clients).unwrap();
        assert!(is_closed(&old).await);
        for open in [&busy, &young, &new] {
            assert!(!is_closed(open).await);
            open.activity().request_begins();
        }
        assert!(roster.join(Purpose::Clients).is_err(), "all are in use");
        drop(old);
        assert!(roster.join(Purpose::Clients).is_err(), "its place was given away");
        drop(busy);
        assert!(roster.join(Purpose::Clients).is_ok());
    }

    #[test]
    fn those_who_watch_have_places_of_their_own() {
        let roster = Roster::new(1);
        let client = roster.join(Purpose::Clients).unwrap();
        client.activity().request_begins();
        assert!(roster.join(Purpose::Clients).is_err());
        let watchers: Vec<_> =
            (0..MAX_METRICS_CONNECTIONS).map(|_| roster.join(Purpose::Metrics).unwrap()).collect();
        watchers.iter().for_each(|watcher| watcher.activity().request_begins());
        assert!(roster.join(Purpose::Metrics).is_err());
    }

    #[test]
    fn long_heads_are_counted() {
        let roster = Roster::new(1);
        let mut kept: Vec<_> = (0..MAX_LONG_HEADS).map(|_| roster.long_head().unwrap()).collect();
        assert!(roster.long_head().is_none() && roster.long_head().is_none());
        kept.pop();
        assert!(roster.long_head().is_some());
    }
}
