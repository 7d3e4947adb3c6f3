//! The state of a connection, as far as it decides how long it may stay open.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::config::Limits;

/// A client that takes nothing for this long may be sent away in favour of another.
pub(crate) const PRESSURE_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The state of one connection. Its task writes it, and others read it.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    /// Requests that are being answered.
    requests: AtomicU32,
    /// Since when there is no request.
    quiet: Since,
    /// Since when a head is awaited of which something has come.
    head: Since,
    /// Since when the client has taken nothing of its answer.
    blocked: Since,
    /// Bytes that were read of a request that has not begun.
    unanswered: AtomicU64,
    /// Whether heads are told apart from other bytes of a client.
    shows_heads: AtomicBool,
    closing: Notify,
}

/// A moment, or none.
#[derive(Debug, Default)]
struct Since(AtomicU64);

impl Since {
    fn begin(&self, now: u64) {
        // Zero is no moment.
        _ = self.0.compare_exchange(0, now + 1, Relaxed, Relaxed);
    }

    fn set(&self, now: u64) {
        self.0.store(now + 1, Relaxed);
    }

    fn end(&self) {
        self.0.store(0, Relaxed);
    }

    fn lasts(&self, now: u64) -> Option<Duration> {
        let since = self.0.load(Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(now.saturating_sub(since)))
    }
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It has had no request for too long.
    Idle,
    /// The head of a request, or the bytes behind a refused one, take too long.
    Head,
    /// The client takes nothing of its answer.
    Stalled,
}

impl Activity {
    pub(super) fn new() -> Self {
        let this = Self {
            began: Instant::now(),
            requests: AtomicU32::new(0),
            quiet: Since::default(),
            head: Since::default(),
            blocked: Since::default(),
            unanswered: AtomicU64::new(0),
            shows_heads: AtomicBool::new(true),
            closing: Notify::new(),
        };
        this.quiet.set(0);
        this.head.set(0);
        this
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
    }

    /// The handshake is done, and the first head is awaited.
    pub(crate) fn is_made(&self, shows_heads: bool) {
        self.shows_heads.store(shows_heads, Relaxed);
        self.unanswered.store(0, Relaxed);
        self.quiet.set(self.now());
        self.head.end();
        if shows_heads {
            self.head.set(self.now());
        }
    }

    /// A request begins.
    pub(crate) fn request_begins(&self) {
        self.requests.fetch_add(1, Relaxed);
        self.head.end();
        self.unanswered.store(0, Relaxed);
    }

    /// All of the answer to a request was given to the connection, or will never be.
    pub(crate) fn request_ends(&self) {
        if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.quiet.set(self.now());
        }
    }

    /// So many bytes of a head have come, and the rest is awaited.
    pub(crate) fn head_waits(&self, bytes: usize) {
        if bytes > 0 {
            self.unanswered.store(bytes as u64, Relaxed);
            self.head.begin(self.now());
        }
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// Bytes were read. Returns how many there are that belong to no request yet.
    pub(super) fn read(&self, bytes: usize) -> u64 {
        if self.shows_heads.load(Relaxed) {
            if self.is_busy() {
                // They are of a body, or few: the connection reads little ahead.
                return 0;
            }
            self.head.begin(self.now());
        }
        self.unanswered.fetch_add(bytes as u64, Relaxed) + bytes as u64
    }

    /// The client took something.
    pub(super) fn taken(&self) {
        if self.blocked.0.load(Relaxed) != 0 {
            self.blocked.end();
        }
    }

    /// The client takes nothing at the moment.
    pub(super) fn blocked(&self) {
        self.blocked.begin(self.now());
    }

    /// Whether it must be closed, and why.
    pub(super) fn overdue(&self, limits: &Limits) -> Option<Overdue> {
        let now = self.now();
        if let Some(blocked) = self.blocked.lasts(now) {
            return (blocked >= limits.stall_timeout).then_some(Overdue::Stalled);
        }
        if self.is_busy() {
            return None;
        }
        if self
            .head
            .lasts(now)
            .is_some_and(|head| head >= limits.header_timeout + HEAD_GRACE_TIMEOUT)
        {
            return Some(Overdue::Head);
        }
        self.quiet
            .lasts(now)
            .is_some_and(|quiet| quiet >= limits.idle_timeout)
            .then_some(Overdue::Idle)
    }

    /// For how long the client has taken nothing, if that is long.
    pub(super) fn stalled(&self) -> Option<Duration> {
        self.blocked.lasts(self.now()).filter(|blocked| *blocked >= PRESSURE_STALL_TIMEOUT)
    }

    /// For how long it could have been spared; `None` when it is needed.
    pub(super) fn spare(&self) -> Option<Spare> {
        let now = self.now();
        if self.blocked.lasts(now).is_some() {
            return self.stalled().map(Spare::Stalled);
        }
        if self.is_busy() {
            return None;
        }
        self.quiet.lasts(now).map(Spare::Idle)
    }

    /// Makes its task end it.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    /// Runs until it is done or the connection is to be closed.
    pub(crate) async fn until_closed<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.closing.notified() => None,
            done = task => Some(done),
        }
    }
}

/// The framework answers the first head that is late with 408, which it shall have time for.
const HEAD_GRACE_TIMEOUT: Duration = Duration::from_millis(500);

/// For how long a connection could have been spared. The greater one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spare {
    /// It is in the middle of an answer that the client does not take.
    Stalled(Duration),
    /// It has no request.
    Idle(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(milliseconds: u64) -> Limits {
        Limits {
            header_timeout: Duration::from_millis(milliseconds),
            idle_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(600),
            ..Limits::default()
        }
    }

    /// As if everything had happened this much earlier.
    fn after(activity: Activity, time: Duration) -> Activity {
        Activity { began: activity.began.checked_sub(time).unwrap(), ..activity }
    }

    #[test]
    fn every_head_has_its_time_and_a_request_has_all_it_takes() {
        let activity = after(Activity::new(), Duration::from_secs(60));
        assert_eq!(activity.overdue(&limits(30_000)), Some(Overdue::Head));
        activity.request_begins();
        let activity = after(activity, Duration::from_secs(60));
        assert_eq!(activity.overdue(&limits(30_000)), None);
        activity.request_ends();
        let activity = after(activity, Duration::from_secs(60));
        assert_eq!(activity.overdue(&limits(30_000)), None, "nothing of another head has come");
        activity.read(1);
        let activity = after(activity, Duration::from_secs(60));
        activity.read(1);
        assert_eq!(activity.overdue(&limits(30_000)), Some(Overdue::Head), "it is dripped");
    }

    #[test]
    fn what_came_while_a_request_was_answered_is_the_begin_of_a_head() {
        let activity = Activity::new();
        activity.request_begins();
        activity.read(7);
        activity.request_ends();
        activity.head_waits(7);
        let activity = after(activity, Duration::from_secs(60));
        assert_eq!(activity.overdue(&limits(30_000)), Some(Overdue::Head));
    }

    #[test]
    fn a_connection_is_idle_whatever_it_sends_where_heads_are_not_seen() {
        let activity = Activity::new();
        activity.is_made(false);
        activity.read(17);
        let activity = after(activity, Duration::from_secs(60));
        activity.read(17);
        assert_eq!(activity.overdue(&limits(30_000)), None);
        let activity = after(activity, Duration::from_secs(600));
        activity.read(17);
        assert_eq!(activity.overdue(&limits(30_000)), Some(Overdue::Idle));
    }

    #[test]
    fn those_in_the_middle_of_an_answer_go_last() {
        let spare = |prepare: &dyn Fn(&Activity), time| {
            let activity = Activity::new();
            prepare(&activity);
            after(activity, Duration::from_secs(time)).spare()
        };
        let (idle, idler) = (spare(&|_| {}, 1), spare(&|_| {}, 2));
        let stalled = spare(
            &|activity| {
                activity.request_begins();
                activity.blocked();
            },
            500,
        );
        assert!(stalled.is_some() && stalled < idle && idle < idler);
        assert_eq!(spare(&|activity| activity.request_begins(), 500), None);
    }
}
