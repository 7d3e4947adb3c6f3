//! `retention.max_size`: the storage is kept below it, and the operator is told before it is reached and when it is exceeded.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rns_formats::StorePath;
use rns_storage::{
    collect::{CollectError, Preview, preview},
    index::{IndexError, StoredSince},
    retention::{FULL_PERCENT, Retention, TARGET_PERCENT, percent},
    write::Storage,
};

use super::{
    disk_room::apart_from_disk,
    outlook,
    pace::{collect_unless_busy, is_due, pause_after, remaining},
    stats::SharedStats,
};

/// From which part of the limit on the operator is told, in percent.
const WARNING_PERCENT: u64 = 85;

/// How often all NARs are counted, and not only those that came: some have gone, and some come late under an early number.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(30);

/// How near a storage is to its limit.
pub(super) struct Limit {
    max_size: Option<u64>,
    counted: Option<Counted>,
    warned: Option<Instant>,
    /// Whether the operator knows that it is exceeded.
    is_exceeded: bool,
    told_stuck: Option<Instant>,
    /// Until when a collection would find nothing again.
    idle_until: Option<Instant>,
}

/// NARs that were counted, up to the newest one before those that still arrive.
#[derive(Clone, Copy)]
struct Counted {
    newest: i64,
    bytes: u64,
    begun: Instant,
}

impl Counted {
    fn nothing() -> Self {
        Self { newest: 0, bytes: 0, begun: Instant::now() }
    }
}

impl Limit {
    pub(super) const fn new(max_size: Option<u64>) -> Self {
        Self {
            max_size,
            counted: None,
            warned: None,
            is_exceeded: false,
            told_stuck: None,
            idle_until: None,
        }
    }

    /// Counts the bytes that are stored; warns, or makes room. Returns whether the limit is near, so that the next look should
    /// come soon.
    pub(super) async fn look(
        &mut self,
        storage: &Storage,
        retention: &Retention,
        stats: &SharedStats,
    ) -> Result<bool, CollectError> {
        let Some(max_size) = self.max_size else { return Ok(false) };
        let bytes = self.count(storage).await?;
        stats.stored(bytes);
        self.tell_excess(bytes, max_size);
        let is_near = bytes > percent(max_size, WARNING_PERCENT);
        if retention.is_nearly_full(bytes) {
            if remaining(self.idle_until).is_none() {
                self.make_room(storage, retention, stats, max_size).await?;
            }
        } else if is_near && is_due(&mut self.warned) {
            let half = percent(max_size, TARGET_PERCENT) / 2;
            let target = Retention { max_size: Some(half), ..retention.clone() };
            let found = preview(storage, &target).await?;
            warn(storage, &found, (bytes, max_size)).await?;
        }
        Ok(is_near)
    }

    /// The bytes of all NARs.
    async fn count(&mut self, storage: &Storage) -> Result<u64, IndexError> {
        let known = self.counted.filter(|counted| counted.begun.elapsed() < RECOUNT_INTERVAL);
        let known = known.unwrap_or_else(Counted::nothing);
        let StoredSince { newest, settled, all } =
            storage.index().stored_since(known.newest).await?;
        self.counted = Some(Counted { newest, bytes: known.bytes + settled, ..known });
        Ok(known.bytes + all)
    }

    /// Says once that the limit is exceeded, and once that it is not any more.
    fn tell_excess(&mut self, bytes: u64, max_size: u64) {
        let is_exceeded = bytes > max_size;
        if is_exceeded == self.is_exceeded {
            return;
        }
        self.is_exceeded = is_exceeded;
        match (is_exceeded, remaining(self.idle_until)) {
            (true, None) => tracing::warn!(
                "the storage holds {bytes} bytes, more than the {max_size} of retention.max_size: the least recently used \
                 closures go now, as far as they are older than retention.min_age"
            ),
            (true, Some(pause)) => tracing::warn!(
                "the storage holds {bytes} bytes, more than the {max_size} of retention.max_size, and nothing may go yet: \
                 the next collection is in {} s",
                pause.as_secs()
            ),
            (false, _) => tracing::info!(
                "the storage holds {bytes} bytes, which is below retention.max_size ({max_size}) again"
            ),
        }
    }

    /// Lets closures go down to some room below the limit.
    async fn make_room(
        &mut self,
        storage: &Storage,
        retention: &Retention,
        stats: &SharedStats,
        max_size: u64,
    ) -> Result<(), CollectError> {
        // Others may have made room, or something may have been deleted: all is counted anew.
        self.counted = None;
        let target = apart_from_disk(&retention.with_room());
        let done = collect_unless_busy(storage, &target, stats, &mut self.idle_until).await?;
        let Some(done) = done else { return Ok(()) };
        outlook::note(storage, retention, &done.preview, stats).await?;
        let left = done.preview.plan.present_bytes().saturating_sub(done.swept.bytes);
        self.tell_excess(left, max_size);
        if retention.is_nearly_full(left) {
            let pause = pause_after(&done);
            self.idle_until = Some(Instant::now() + pause);
            if is_due(&mut self.told_stuck) {
                tracing::warn!(
                    "the storage holds {left} bytes of the {max_size} of retention.max_size, and nothing more may go now: \
                     all of it is younger than retention.min_age, or roots need it; the next collection is in {} s",
                    pause.as_secs()
                );
            }
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
    let used = bytes / (max_size / 100).max(1);
    if names.is_empty() {
        tracing::warn!(
            "the storage holds {used} % of retention.max_size, and nothing may go at the limit: all of it is \
             young, or roots need it"
        );
    } else {
        tracing::warn!(
            "the storage holds {used} % of retention.max_size; from {FULL_PERCENT} % on the least recently used closures \
             go, first: {}",
            names.join(", ")
        );
    }
    Ok(())
}
