//! `retention.keep_free`: room on the disk of a storage that is a directory.

use std::time::Instant;

use rns_cache::{DiskRoom, DiskSpace, KeepFree};
use rns_storage::{
    collect::{CollectError, disk_of},
    retention::Retention,
    write::Storage,
};

use super::{
    pace::{collect_unless_busy, is_due, pause_after, remaining},
    removed::Removed,
    stats::SharedStats,
};

/// A collection makes so much more room, as a part of the space to be free: there should not be one for each push.
const MORE_PART: u64 = 10;

/// The rule, and the last line in the log about it.
pub(super) struct KeptFree {
    keep_free: Option<KeepFree>,
    told_short: Option<Instant>,
    told_stuck: Option<Instant>,
    /// Until when a collection would find nothing again.
    idle_until: Option<Instant>,
    removed: Removed,
}

/// The same policy without the rule about the disk. Only [`KeptFree`] makes room there: it remembers the bytes that a
/// collection has just removed.
pub(super) fn apart_from_disk(retention: &Retention) -> Retention {
    Retention { keep_free: retention.keep_free.map(|_| KeepFree::Bytes(0)), ..retention.clone() }
}

/// The bytes that are missing on the disk, once the bytes that a collection has just removed are free.
fn missing_after(keep_free: KeepFree, space: DiskSpace, removed: u64) -> u64 {
    keep_free.missing(space).saturating_sub(removed)
}

impl KeptFree {
    pub(super) fn new(keep_free: Option<KeepFree>, stats: &SharedStats) -> Self {
        let removed = Removed::after(stats.reclaimed());
        Self { keep_free, told_short: None, told_stuck: None, idle_until: None, removed }
    }

    /// Looks at the disk, and makes room where it is missing.
    pub(super) async fn look(
        &mut self,
        storage: &Storage,
        retention: &Retention,
        stats: &SharedStats,
    ) -> Result<(), CollectError> {
        let Some(keep_free) = self.keep_free else { return Ok(()) };
        let Some(space) = disk_of(storage).await? else { return Ok(()) };
        let wanted = keep_free.bytes(space);
        stats.disk(Some(DiskRoom { free: space.available, keep_free: wanted }));
        let removed = self.removed.recently(stats.reclaimed(), Instant::now());
        let missing = missing_after(keep_free, space, removed);
        if missing == 0 || remaining(self.idle_until).is_some() {
            return Ok(());
        }
        if is_due(&mut self.told_short) {
            tracing::warn!(
                "the disk of the storage has {} bytes free, less than the {wanted} of retention.keep_free: the least \
                 recently used closures go, as far as they are older than retention.min_age",
                space.available
            );
        }
        let more = KeepFree::Bytes((wanted + wanted / MORE_PART).saturating_sub(removed));
        let target = Retention { keep_free: Some(more), ..retention.clone() };
        let done = collect_unless_busy(storage, &target, stats, &mut self.idle_until).await?;
        let Some(done) = done else { return Ok(()) };
        let removed = self.removed.recently(stats.reclaimed(), Instant::now());
        let left = disk_of(storage).await?;
        let left = left.map_or(0, |space| missing_after(keep_free, space, removed));
        if left > 0 {
            let pause = pause_after(&done);
            self.idle_until = Some(Instant::now() + pause);
            if is_due(&mut self.told_stuck) {
                tracing::warn!(
                    "{left} bytes are missing to retention.keep_free, and nothing more may go now: what is left of the \
                     storage is younger than retention.min_age, or roots need it; the rest of the disk is of others"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_disk_frees_late_is_not_removed_twice() {
        let (keep_free, begin) = (KeepFree::Bytes(300), Instant::now());
        let space = DiskSpace { total: 1000, available: 200 };
        let mut removed = Removed::after(5000);
        let mut missing = |total, seconds| {
            let at = begin + Duration::from_secs(seconds);
            missing_after(keep_free, space, removed.recently(total, at))
        };
        assert_eq!(missing(5000, 0), 100);
        // Any collection removed something, and the disk does not show it yet.
        assert_eq!(missing(5070, 5), 30);
        assert_eq!(missing(5200, 10), 0);
        assert_eq!(missing(5200, 64), 0);
        // A snapshot may keep it.
        assert_eq!(missing(5200, 70), 100);
    }

    #[test]
    fn collections_of_other_reasons_make_no_room_on_the_disk() {
        let retention =
            Retention { keep_free: Some(KeepFree::Percent(100)), ..Retention::default() };
        let apart = apart_from_disk(&retention);
        let space = DiskSpace { total: 1000, available: 0 };
        assert_eq!(apart.keep_free.unwrap().missing(space), 0);
        assert!(!apart.keeps_everything(), "orphans go all the same");
    }
}
