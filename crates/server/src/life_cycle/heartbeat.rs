//! Whether the event loops still turn.
//!
//! Each worker has a task that notes the time; one whose note is old has been blocked since. That
//! is reported to the watchdog of the service manager.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// How often a worker notes the time.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The workers' notes. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeats(Arc<SharedHeartbeats>);

#[derive(Debug)]
struct SharedHeartbeats {
    start: Instant,
    interval: Duration,
    beats: Mutex<Vec<Weak<Beat>>>,
    /// How many workers have started.
    started: watch::Sender<usize>,
}

/// When a worker was last seen, in milliseconds since the start. Gone with its worker.
#[derive(Debug)]
struct Beat(AtomicU64);

impl Heartbeats {
    pub(crate) fn new() -> Self {
        Self::every(BEAT_INTERVAL)
    }

    fn every(interval: Duration) -> Self {
        Self(Arc::new(SharedHeartbeats {
            start: Instant::now(),
            interval,
            beats: Mutex::default(),
            started: watch::Sender::new(0),
        }))
    }

    /// To be called once on each worker, from inside its event loop.
    pub(crate) fn attach(&self) {
        let beat = Arc::new(Beat(AtomicU64::new(self.now())));
        {
            let mut beats = self.0.beats.lock().unwrap_or_else(PoisonError::into_inner);
            // Those of workers that died and were replaced.
            beats.retain(|beat| beat.strong_count() > 0);
            beats.push(Arc::downgrade(&beat));
        }
        self.0.started.send_modify(|started| *started += 1);
        let this = self.clone();
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(this.0.interval).await;
                beat.0.store(this.now(), Ordering::Relaxed);
            }
        });
    }

    /// Returns when `workers` have started.
    pub(crate) async fn started(&self, workers: usize) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.started.subscribe().wait_for(|started| *started >= workers).await;
    }

    /// Whether there are workers and all of them were seen within `limit`.
    pub(crate) fn alive(&self, limit: Duration) -> bool {
        let now = self.now();
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let beats = self.0.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ages = beats
            .iter()
            .filter_map(Weak::upgrade)
            .map(|beat| now.saturating_sub(beat.0.load(Ordering::Relaxed)))
            .peekable();
        ages.peek().is_some() && ages.all(|age| age <= limit)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    /// An event loop that can be blocked, and ended, from outside.
    fn worker(heartbeats: &Heartbeats) -> (mpsc::Sender<Duration>, thread::JoinHandle<()>) {
        let (block, blocked) = mpsc::channel::<Duration>();
        let heartbeats = heartbeats.clone();
        let handle = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                heartbeats.attach();
                loop {
                    match blocked.try_recv() {
                        Ok(time) => thread::sleep(time),
                        Err(mpsc::TryRecvError::Empty) => {}
                        Err(mpsc::TryRecvError::Disconnected) => break,
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        });
        (block, handle)
    }

    const LIMIT: Duration = Duration::from_millis(1000);

    fn heartbeats() -> Heartbeats {
        Heartbeats::every(Duration::from_millis(20))
    }

    #[test]
    fn a_blocked_worker_is_noticed_and_forgiven_when_it_goes_on() {
        let heartbeats = heartbeats();
        assert!(!heartbeats.alive(LIMIT), "no worker has started");
        let (_one, _) = worker(&heartbeats);
        let (two, _) = worker(&heartbeats);
        actix_web::rt::System::new().block_on(heartbeats.started(2));
        assert!(heartbeats.alive(LIMIT));

        two.send(Duration::from_secs(3)).unwrap();
        thread::sleep(Duration::from_millis(2000));
        assert!(!heartbeats.alive(LIMIT), "one worker is blocked");
        thread::sleep(Duration::from_millis(2000));
        assert!(heartbeats.alive(LIMIT));
    }

    #[test]
    fn a_worker_that_ended_is_not_missed_by_the_others() {
        let heartbeats = heartbeats();
        let (_one, _) = worker(&heartbeats);
        let (two, handle) = worker(&heartbeats);
        actix_web::rt::System::new().block_on(heartbeats.started(2));
        drop(two);
        handle.join().unwrap();
        thread::sleep(2 * LIMIT);
        assert!(heartbeats.alive(LIMIT));
    }
}
