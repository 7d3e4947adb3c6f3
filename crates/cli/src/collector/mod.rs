//! The collector of a server: on a thread of its own, on a schedule and when a limit is near. It also writes the times of
//! downloads to the index.

mod disk_room;
mod limit;
mod outlook;
mod pace;
mod removed;
mod stats;
mod uses;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use rns_cache::RetentionStats;
use rns_storage::{
    collect::{CollectError, Preview, check_clock, collect, preview},
    index::Index,
    retention::Retention,
    write::{Nowhere, Storage, UploadLimits},
};
use tokio::{sync::watch, time::timeout};

use self::{
    disk_room::{KeptFree, apart_from_disk},
    limit::Limit,
    pace::RETRY_DELAY,
    stats::SharedStats,
};
use crate::config::StorageConfig;

/// How often it is looked whether a collection is due, or a limit is near.
const DUE_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The same while a limit is near: a burst of pushes must not exceed it by much.
const NEAR_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long after the start a collection may be due.
const START_DELAY: Duration = Duration::from_secs(60);

/// How exactly times of use are known at least, however long unused paths stay.
const MAX_USE_RESOLUTION: Duration = Duration::from_secs(600);

/// When the collector works, and by which policy.
#[derive(Clone, PartialEq)]
struct Schedule {
    retention: Retention,
    /// `None`: only limits and commands begin a collection.
    interval: Option<Duration>,
}

impl Schedule {
    fn of(config: &StorageConfig) -> Self {
        Self { retention: config.retention.clone(), interval: config.collect_interval }
    }

    /// When the first collection under it is due.
    fn first(&self) -> Option<Instant> {
        self.interval.map(|interval| Instant::now() + interval.min(START_DELAY))
    }

    /// How often the use of a path is noted: a fraction of the time after which unused ones go.
    fn use_resolution(&self) -> Option<Duration> {
        self.retention.unused_for.map(|unused_for| (unused_for / 20).min(MAX_USE_RESOLUTION))
    }
}

/// A collector that runs. Clones are of the same one.
#[derive(Clone)]
pub(crate) struct CollectorHandle {
    stats: Arc<SharedStats>,
    schedule: Arc<watch::Sender<Schedule>>,
}

impl CollectorHandle {
    /// The numbers as they are now.
    pub(crate) fn stats(&self) -> RetentionStats {
        self.stats.get()
    }

    /// Has it work by the schedule and the policy of this configuration from now on. A collection that runs ends by the old
    /// policy.
    pub(crate) fn follow(&self, config: &StorageConfig) {
        let new = Schedule::of(config);
        self.schedule.send_if_modified(|schedule| {
            let is_new = *schedule != new;
            *schedule = new;
            is_new
        });
    }
}

/// Starts the collector of a storage that is served. Its questions take long: `index` has connections of its own, so that they
/// delay no others.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(
    served: &Storage,
    index: Arc<dyn Index>,
    config: &StorageConfig,
) -> anyhow::Result<CollectorHandle> {
    let (sender, schedule) = watch::channel(Schedule::of(config));
    let stats = Arc::new(SharedStats::default());
    let handle = CollectorHandle { stats: Arc::clone(&stats), schedule: Arc::new(sender) };
    let reader = served.reader().clone();
    let storage = Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::join!(uses::follow(&storage), follow(&storage, schedule, stats),);
            });
        })
        .context("no thread for the collector")?;
    Ok(handle)
}

/// Collects by the schedule, and by the next one as soon as there is one.
async fn follow(
    storage: &Storage,
    mut schedule: watch::Receiver<Schedule>,
    stats: Arc<SharedStats>,
) {
    loop {
        let now = schedule.borrow_and_update().clone();
        storage.reader().uses().note_every(now.use_resolution());
        Collector { storage, schedule: now, stats: Arc::clone(&stats) }.work(&mut schedule).await;
        // The server has ended.
        if schedule.has_changed().is_err() {
            return;
        }
    }
}

/// The collector under one schedule.
struct Collector<'a> {
    storage: &'a Storage,
    schedule: Schedule,
    stats: Arc<SharedStats>,
}

impl Collector<'_> {
    /// Collects until there is another schedule, or the server ends. A collection that the end of the process cuts off is taken up by the next one.
    async fn work(self, changes: &mut watch::Receiver<Schedule>) {
        let Schedule { retention, interval } = &self.schedule;
        let mut limit = Limit::new(retention.max_size);
        let mut kept_free = KeptFree::new(retention.keep_free, &self.stats);
        let mut due = self.schedule.first();
        let (mut is_near, mut has_failed) = (false, false);
        self.stats.limited(retention.max_size);
        self.stats.disk(None);
        self.stats.next(due);
        loop {
            let pause = if is_near { NEAR_LOOK_INTERVAL } else { DUE_POLL_INTERVAL };
            let pause = pause.min(interval.unwrap_or(DUE_POLL_INTERVAL));
            if timeout(pause, changes.changed()).await.is_ok() {
                return;
            }
            if due.is_some_and(|due| Instant::now() >= due) {
                let done = self.scheduled().await;
                due = interval.map(|interval| {
                    Instant::now() + if done { interval } else { interval.min(RETRY_DELAY) }
                });
                self.stats.next(due);
            }
            let looked = limit.look(self.storage, retention, &self.stats).await;
            is_near = *looked.as_ref().unwrap_or(&false);
            let kept = kept_free.look(self.storage, retention, &self.stats).await;
            let failed = looked.map(|_| ()).and(kept).err();
            if let (Some(error), false) = (&failed, has_failed) {
                tracing::warn!(
                    "the limits of [retention] cannot be looked at, and nothing goes because of them: {error}"
                );
            }
            has_failed = failed.is_some();
        }
    }

    /// Collects, unless another server has done that a moment ago. Returns whether it is done.
    async fn scheduled(&self) -> bool {
        let Schedule { retention, interval } = &self.schedule;
        if retention.keeps_everything() {
            return match preview(self.storage, retention).await {
                Ok(found) => {
                    self.stats.measured(&found);
                    self.look_ahead(&found).await
                }
                Err(error) => self.failed(&error),
            };
        }
        // Also where another server collects: the times that this one notes count there.
        if let Err(error) = check_clock(self.storage, retention).await {
            return self.failed(&error);
        }
        let last = self.storage.index().last_collection().await;
        let is_recent = |begun: SystemTime| {
            let interval = interval.unwrap_or_default();
            // Servers wake up at about the same time.
            begun.elapsed().is_ok_and(|age| age < interval / 2)
        };
        match last {
            Ok(Some(last)) if is_recent(last.begun) => return true,
            Ok(_) => {}
            Err(error) => return self.failed(&CollectError::from(error)),
        }
        match collect(self.storage, &apart_from_disk(retention), &|_| ()).await {
            Ok(done) => {
                self.stats.collected(&done);
                self.look_ahead(&done.preview).await
            }
            Err(CollectError::Busy) => true,
            Err(error) => self.failed(&error),
        }
    }

    /// Notes which paths go first. Returns whether that is done.
    async fn look_ahead(&self, found: &Preview) -> bool {
        let noted = outlook::note(self.storage, &self.schedule.retention, found, &self.stats).await;
        noted.map_err(|error| self.failed(&error.into())).is_ok()
    }

    fn failed(&self, error: &CollectError) -> bool {
        tracing::warn!("the collection was cut off, and is tried again: {error}");
        self.stats.failed();
        false
    }
}

#[cfg(test)]
mod tests {
    use rns_storage::{index::sqlite::SqliteIndex, objects::Objects, read::StorageReader};

    use super::*;
    use crate::config::load_text;

    #[tokio::test]
    async fn the_disk_is_no_longer_told_once_nothing_is_kept_free() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().display();
        let config = |keep_free: &str| {
            let text = format!(
                "[storage]\nurl = \"file://{place}\"\n[retention]\ninterval = \"1s\"\n{keep_free}"
            );
            load_text(&text).unwrap().backends.storage.unwrap()
        };
        let kept_free = config("keep_free = \"1\"\n");
        let objects = Objects::open(&kept_free.url, false).unwrap();
        let reader = StorageReader::new(objects, "/nix/store".parse().unwrap(), 0);
        let file = directory.path().join("index.sqlite");
        let index: Arc<dyn Index> = Arc::new(SqliteIndex::new(file, false));
        let limits = UploadLimits::default();
        let storage = Storage::new(reader, Arc::clone(&index), Arc::new(Nowhere), limits);
        let collector = start(&storage, index, &kept_free).unwrap();
        let becomes = async |is_told: bool| {
            let waited = timeout(Duration::from_secs(60), async {
                while collector.stats().disk.is_some() != is_told {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            waited.await.unwrap();
        };
        becomes(true).await;
        collector.follow(&config(""));
        becomes(false).await;
    }
}
