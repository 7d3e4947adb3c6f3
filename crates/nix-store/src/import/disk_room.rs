//! `upload.keep_free`: room on the disk of the store.
//!
//! First the daemon removes paths that nothing on the machine needs. Then the server lets pushed paths go before their time, as
//! few as needed. Young paths stay, and so do those that roots of clients need. After each round the server looks at the disk
//! again, since it does not know other roots of the machine, which may keep a path.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rns_cache::{CacheError, DiskRoom, DiskSpace, KeepFree};
use rns_file_io::disk_space::disk_space;
use rns_formats::{HashPart, StorePath};
use tokio::{
    task::spawn_blocking,
    time::{interval, sleep, timeout},
};

use super::{
    imports::Imports,
    least_recent::{RemovalGroup, least_recent},
};
use crate::daemon::DaemonError;

/// How often the disk is looked at.
const DISK_POLL_INTERVAL: Duration = Duration::from_secs(60);

/// How long it is not looked at again when nothing more may go.
const REMOVAL_RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// How often the operator is told that it is full.
const FULL_DISK_NOTICE_INTERVAL: Duration = Duration::from_secs(3600);

/// How long the daemon may take for a collection.
const COLLECTION_TIMEOUT: Duration = Duration::from_secs(4 * 3600);

/// The result of a look at the disk.
enum Room {
    /// There is enough.
    Enough,
    /// There is enough again, and so many paths were let go of.
    Made(usize),
    /// So many were, and so many bytes are missing still.
    Missing(usize, u64),
}

impl Imports {
    /// Keeps room on the disk of the store, for as long as it is polled.
    pub async fn keep_room(self: Arc<Self>) {
        let mut ticks = interval(DISK_POLL_INTERVAL);
        let mut told: Option<Instant> = None;
        let mut is_due = move || {
            let is_due = told.is_none_or(|told| told.elapsed() > FULL_DISK_NOTICE_INTERVAL);
            told = if is_due { Some(Instant::now()) } else { told };
            is_due
        };
        loop {
            ticks.tick().await;
            // A reload may have changed it.
            let Some(keep_free) = self.room().keep_free else {
                self.note_disk(None);
                continue;
            };
            match self.make_room(keep_free).await {
                Ok(Room::Enough) | Err(CacheError::ShuttingDown) => {}
                Ok(Room::Made(0)) => tracing::info!("collected garbage to keep upload.keep_free"),
                Ok(Room::Made(count)) => tracing::info!(
                    "let go of {count} pushed paths before their time to keep upload.keep_free"
                ),
                Ok(Room::Missing(count, bytes)) => {
                    if is_due() {
                        tracing::warn!(
                            "{bytes} bytes are missing to upload.keep_free, and nothing more may go (let go of {count} \
                             pushed paths): what is left is younger than retention.min_age, kept by roots, or of others"
                        );
                    }
                    sleep(REMOVAL_RETRY_INTERVAL).await;
                }
                Err(error) => {
                    if is_due() {
                        tracing::warn!("no room can be made for upload.keep_free: {error}");
                    }
                    sleep(REMOVAL_RETRY_INTERVAL).await;
                }
            }
        }
    }

    async fn make_room(&self, keep_free: KeepFree) -> Result<Room, CacheError> {
        let mut missing = self.missing(keep_free).await?;
        if missing == 0 {
            return Ok(Room::Enough);
        }
        let mut count = 0;
        // Paths that others keep as well free nothing: each round lets go of twice as much.
        let mut factor = 1;
        loop {
            self.collect(missing).await.map_err(|error| not_collected(&error))?;
            missing = self.missing(keep_free).await?;
            if missing == 0 {
                return Ok(Room::Made(count));
            }
            let let_go = self.let_go(missing.saturating_mul(factor)).await?;
            if let_go == 0 {
                return Ok(Room::Missing(count, missing));
            }
            count += let_go;
            factor *= 2;
        }
    }

    /// Looks at the disk, for metrics as well. Returns the bytes that are missing.
    async fn missing(&self, keep_free: KeepFree) -> Result<u64, CacheError> {
        let space = self.space().await?;
        let keep = keep_free.bytes(space);
        self.note_disk(Some(DiskRoom { free: space.available, keep_free: keep }));
        Ok(keep_free.missing(space))
    }

    async fn space(&self) -> Result<DiskSpace, CacheError> {
        let directory = self.store.questions().parts.config.real_dir.clone();
        let space = spawn_blocking(move || {
            disk_space(&directory).map_err(CacheError::io("look at the disk of", &directory))
        });
        space.await.map_err(|_| CacheError::ShuttingDown)?
    }

    /// Has the daemon remove paths that nothing needs, up to so many bytes.
    async fn collect(&self, bytes: u64) -> Result<(), DaemonError> {
        let mut daemon = self.questions.connect().await?;
        let done = timeout(COLLECTION_TIMEOUT, daemon.collect_garbage(bytes)).await;
        let freed = done.unwrap_or_else(|elapsed| {
            let elapsed = std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed);
            Err(DaemonError::Unreachable(elapsed))
        })?;
        tracing::debug!("a collection has freed {freed} bytes");
        Ok(())
    }

    /// Lets go of the least recent paths, of at least so many bytes where there are as many. Returns the number of paths.
    async fn let_go(&self, bytes: u64) -> Result<usize, CacheError> {
        let caches = self.kept.all();
        let now = SystemTime::now();
        let old = now.checked_sub(self.room().min_age).unwrap_or(SystemTime::UNIX_EPOCH);
        let (mut links, mut kept) = (BTreeMap::<StorePath, SystemTime>::new(), Vec::new());
        for cache in &caches {
            for root in cache.change(|roots| roots.pushed.list()).await? {
                let renewed = links.entry(root.path).or_insert(root.renewed);
                *renewed = root.renewed.max(*renewed);
            }
            kept.extend(cache.change(|roots| roots.named.paths()).await?);
        }
        let (young, links): (BTreeMap<_, _>, BTreeMap<_, _>) =
            links.into_iter().partition(|(_, renewed)| *renewed > old);
        kept.extend(young.into_keys());
        let tops = links.keys().chain(&kept).cloned().collect();
        let closures = self.store.questions().closures.of(tops, usize::MAX).await?;
        let closures = closures.unwrap_or_default();
        let order = spawn_blocking(move || least_recent(&closures, &kept, &links));
        let order = order.await.map_err(|_| CacheError::ShuttingDown)?;
        let going: HashSet<HashPart> = enough(order, bytes);
        let count = going.len();
        let going = Arc::new(going);
        for cache in &caches {
            let going = Arc::clone(&going);
            // One that was pushed again meanwhile stays.
            cache.change(move |roots| roots.pushed.release_older(&going, old)).await?;
        }
        Ok(count)
    }
}

/// The first groups of so many bytes.
fn enough(order: Vec<RemovalGroup>, bytes: u64) -> HashSet<HashPart> {
    let mut going = HashSet::new();
    let mut sum = 0;
    for group in order {
        if sum >= bytes {
            break;
        }
        sum += group.bytes;
        going.extend(group.paths.iter().map(StorePath::hash_part));
    }
    going
}

fn not_collected(error: &DaemonError) -> CacheError {
    CacheError::Unavailable {
        what: format!("the Nix daemon collects no garbage: {error}"),
        remedy: "see the log of the Nix daemon; the user of this server must be in its allowed-users",
    }
}
