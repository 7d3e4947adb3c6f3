//! `retention.keep_free`: room on the disk of a storage that is a directory.

use std::time::Instant;

use rns_cache::{DiskRoom, KeepFree};
use rns_storage::{
    collect::{CollectError, collect, disk_of},
    retention::Retention,
    write::Storage,
};

use super::{
    pace::{RETRY_DELAY, is_due, pause_after, remaining},
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
}

impl KeptFree {
    pub(super) const fn new(keep_free: Option<KeepFree>) -> Self {
        Self { keep_free, told_short: None, told_stuck: None, idle_until: None }
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
        stats.disk(DiskRoom { free: space.available, keep_free: wanted });
        let missing = keep_free.missing(space);
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
        let more = KeepFree::Bytes(wanted + wanted / MORE_PART);
        let target = Retention { keep_free: Some(more), ..retention.clone() };
        let done = match collect(storage, &target, &|_| ()).await {
            Ok(done) => done,
            // Another one makes room.
            Err(CollectError::Busy) => return Ok(()),
            Err(error) => {
                stats.failed();
                self.idle_until = Some(Instant::now() + RETRY_DELAY);
                return Err(error);
            }
        };
        stats.collected(&done);
        let left = disk_of(storage).await?.map_or(0, |space| keep_free.missing(space));
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
