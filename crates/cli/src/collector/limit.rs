//! `retention.max_size`: the storage is kept below it, and the operator is told before it is reached.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rns_formats::StorePath;
use rns_storage::{
    collect::{CollectError, Preview, collect, preview},
    retention::Retention,
    write::Storage,
};

use super::stats::SharedStats;

/// From which part of the limit on the operator is told, in percent.
const WARNING_PERCENT: u64 = 85;

/// From which part on closures go.
const FULL_PERCENT: u64 = 95;

/// Down to which part they go: each collection looks at everything, so there should not be one for each push.
const TARGET_PERCENT: u64 = 90;

/// How long a collection that failed, or found nothing to remove at a limit, is waited for again.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(60);

/// How often the operator is told.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// How near a storage is to its limit.
pub(super) struct Limit {
    max_size: Option<u64>,
    /// The newest NAR that is counted, and the bytes of all up to that one.
    counted: Option<(i64, u64)>,
    warned: Option<Instant>,
    /// Until when a collection would find nothing again.
    idle_until: Option<Instant>,
}

impl Limit {
    pub(super) const fn new(max_size: Option<u64>) -> Self {
        Self { max_size, counted: None, warned: None, idle_until: None }
    }

    /// Counts the bytes that were stored since the last look; warns, or makes room.
    pub(super) async fn look(
        &mut self,
        storage: &Storage,
        retention: &Retention,
        stats: &SharedStats,
    ) -> Result<(), CollectError> {
        let Some(max_size) = self.max_size else { return Ok(()) };
        let part = |percent: u64| max_size / 100 * percent;
        let (after, known) = self.counted.unwrap_or((0, 0));
        let (newest, bytes) = storage.index().stored_since(after).await?;
        let bytes = known + bytes;
        self.counted = Some((newest, bytes));
        stats.stored(bytes);
        let is_idle = self.idle_until.is_some_and(|until| Instant::now() < until);
        if bytes > part(FULL_PERCENT) && !is_idle {
            let target = Retention { max_size: Some(part(TARGET_PERCENT)), ..retention.clone() };
            // Others may have made room, or something may have been deleted: all is counted anew.
            self.counted = None;
            match collect(storage, &target, &|_| ()).await {
                Ok(done) => {
                    stats.collected(&done);
                    if done.swept.bytes == 0 {
                        let present = done.preview.plan.present_bytes();
                        if present > part(FULL_PERCENT) {
                            tracing::warn!(
                                "the storage holds {present} bytes of the {max_size} of \
                                 retention.max_size, and nothing may go: all of it is young, or roots need it"
                            );
                        }
                        self.idle_until = Some(Instant::now() + RETRY_DELAY);
                    }
                }
                // Another one makes room.
                Err(CollectError::Busy) => {}
                Err(error) => {
                    stats.failed();
                    self.idle_until = Some(Instant::now() + RETRY_DELAY);
                    return Err(error);
                }
            }
        } else if bytes > part(WARNING_PERCENT)
            && self.warned.is_none_or(|warned| warned.elapsed() > WARNING_INTERVAL)
        {
            self.warned = Some(Instant::now());
            let target =
                Retention { max_size: Some(part(TARGET_PERCENT) / 2), ..retention.clone() };
            let found = preview(storage, &target).await?;
            warn(storage, &found, (bytes, max_size)).await?;
        }
        Ok(())
    }
}

/// Logs which paths go first.
async fn warn(
    storage: &Storage,
    found: &Preview,
    (bytes, max_size): (u64, u64),
) -> Result<(), CollectError> {
    let first: Vec<i64> =
        found.plan.going.iter().take(3).filter_map(|path| found.graph.id(*path)).collect();
    let names: HashMap<i64, StorePath> = storage.index().paths(&first).await?.into_iter().collect();
    let names: Vec<&str> =
        first.iter().filter_map(|id| names.get(id)).map(StorePath::as_str).collect();
    let percent = bytes / (max_size / 100).max(1);
    if names.is_empty() {
        tracing::warn!(
            "the storage holds {percent} % of retention.max_size, and nothing may go at the limit: all of it is \
             young, or roots need it"
        );
    } else {
        tracing::warn!(
            "the storage holds {percent} % of retention.max_size; from 95 % on the least recently used closures go, \
             first: {}",
            names.join(", ")
        );
    }
    Ok(())
}
