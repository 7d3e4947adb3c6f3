//! The collector of a server: on a thread of its own, on a schedule and when a limit is near. It also takes to the index what
//! clients have read.

mod limit;
mod stats;
mod uses;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use rns_storage::{
    collect::{CollectError, collect, preview},
    retention::Retention,
    write::{Nowhere, Storage, UploadLimits},
};

use self::limit::{Limit, RETRY_DELAY};
pub(crate) use self::stats::SharedStats;
use crate::{backends::open_index, config::StorageConfig};

/// How often it is looked whether a collection is due, or a limit is near.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long after the start a collection may be due.
const START_DELAY: Duration = Duration::from_secs(60);

/// Starts the collector of a storage that is served.
///
/// # Errors
/// When the index cannot be opened, or no thread be started.
pub(crate) fn start(
    served: &Storage,
    config: &StorageConfig,
    stats: Arc<SharedStats>,
) -> anyhow::Result<()> {
    let retention = config.retention.clone();
    // How exactly times of use are known: a fraction of the configured time.
    if let Some(unused_for) = retention.unused_for {
        let most = Duration::from_secs(600);
        served.reader().uses().note_every((unused_for / 20).min(most));
    }
    let interval = config.collect_interval;
    // Its questions take long: connections of its own keep them from delaying others.
    let index = open_index(config)?;
    let reader = served.reader().clone();
    let storage = Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::join!(
                    uses::follow(&storage),
                    Collector { storage: &storage, retention, interval, stats }.work(),
                );
            });
        })
        .context("no thread for the collector")?;
    Ok(())
}

struct Collector<'a> {
    storage: &'a Storage,
    retention: Retention,
    /// `None`: only limits and commands begin a collection.
    interval: Option<Duration>,
    stats: Arc<SharedStats>,
}

impl Collector<'_> {
    /// Collects for as long as the server runs. A collection that the end of the process cuts off is taken up by the next one.
    async fn work(self) {
        let mut limit = Limit::new(self.retention.max_size);
        let mut due = self.interval.map(|interval| Instant::now() + interval.min(START_DELAY));
        self.stats.next(due);
        loop {
            tokio::time::sleep(LOOK_INTERVAL.min(self.interval.unwrap_or(LOOK_INTERVAL))).await;
            if due.is_some_and(|due| Instant::now() >= due) {
                let done = self.scheduled().await;
                due = self.interval.map(|interval| {
                    Instant::now() + if done { interval } else { interval.min(RETRY_DELAY) }
                });
                self.stats.next(due);
            }
            if let Err(error) = limit.look(self.storage, &self.retention, &self.stats).await {
                tracing::warn!("it is not known how near retention.max_size is: {error}");
            }
        }
    }

    /// Collects, unless another server has done that a moment ago. Returns whether it is done.
    async fn scheduled(&self) -> bool {
        if self.retention.keeps_everything() {
            return match preview(self.storage, &self.retention).await {
                Ok(found) => {
                    self.stats.measured(&found);
                    true
                }
                Err(error) => self.failed(&error),
            };
        }
        let last = self.storage.index().last_collection().await;
        let is_recent = |begun: SystemTime| {
            let interval = self.interval.unwrap_or_default();
            // Servers wake up at about the same time.
            begun.elapsed().is_ok_and(|age| age < interval / 2)
        };
        match last {
            Ok(Some(last)) if is_recent(last.begun) => return true,
            Ok(_) => {}
            Err(error) => return self.failed(&CollectError::from(error)),
        }
        match collect(self.storage, &self.retention, &|_| ()).await {
            Ok(done) => {
                self.stats.collected(&done);
                true
            }
            Err(CollectError::Busy) => true,
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &CollectError) -> bool {
        tracing::warn!("the collection was cut off, and is tried again: {error}");
        self.stats.failed();
        false
    }
}
