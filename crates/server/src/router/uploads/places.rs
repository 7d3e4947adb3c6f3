//! How many uploads are taken at the same time, and how much memory they take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use rns_formats::url::Resource;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long an upload waits for its turn before it is sent away: as long as a client that is told to come back would.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// Memory is given in pieces of so many bytes.
const MEMORY_PIECE_BYTES: u64 = 64 << 10;

/// The places of all uploads.
pub(crate) struct UploadPlaces {
    nars: Kind,
    memory: Kind,
    pieces: u32,
}

/// Places of one kind, and how many uploads wait for one.
struct Kind {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// The place of an upload, which lasts until this is dropped.
#[derive(Debug)]
pub(crate) struct UploadPlace {
    _permit: OwnedSemaphorePermit,
    waiting: Arc<AtomicUsize>,
}

/// An upload that waits for its turn.
struct WaitingUpload<'a>(&'a AtomicUsize);

impl Drop for WaitingUpload<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl UploadPlace {
    /// Whether other uploads wait for such a place.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}

impl Kind {
    fn new(places: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(places)), waiting: Arc::default() }
    }
}

/// No place became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl UploadPlaces {
    /// For so many NARs, and for other objects in so many bytes of memory.
    pub(crate) fn new(nars: usize, memory_bytes: u64) -> Self {
        let pieces = u32::try_from(memory_bytes / MEMORY_PIECE_BYTES).unwrap_or(u32::MAX).max(1);
        let pieces = pieces.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self {
            nars: Kind::new(nars.min(Semaphore::MAX_PERMITS)),
            memory: Kind::new(pieces as usize),
            pieces,
        }
    }

    /// Waits for the place of an object that takes `bytes` in memory. NARs are not kept in memory.
    ///
    /// # Errors
    /// When none becomes free in time.
    pub(crate) async fn take(
        &self,
        resource: &Resource,
        bytes: u64,
    ) -> Result<UploadPlace, NoPlace> {
        let (kind, wanted) = match resource {
            Resource::Nar(_) => (&self.nars, 1),
            // One that is larger than all memory has it alone.
            _ => (
                &self.memory,
                u32::try_from(bytes / MEMORY_PIECE_BYTES + 1).unwrap_or(u32::MAX).min(self.pieces),
            ),
        };
        let waiting = Arc::clone(&kind.waiting);
        waiting.fetch_add(1, Relaxed);
        let turn = WaitingUpload(&waiting);
        let taken = timeout(TURN_TIMEOUT, Arc::clone(&kind.free).acquire_many_owned(wanted)).await;
        drop(turn);
        match taken {
            Ok(Ok(permit)) => Ok(UploadPlace { _permit: permit, waiting }),
            Ok(Err(_)) | Err(_) => Err(NoPlace),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    async fn waits(places: &UploadPlaces, resource: &Resource, bytes: u64) -> bool {
        let taken = pin!(places.take(resource, bytes));
        taken.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_waits() {
        let places = UploadPlaces::new(1, 4 * MEMORY_PIECE_BYTES);
        let name = "/nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar.xz";
        let nar = rns_formats::url::parse(name, None).unwrap();
        let first = places.take(&nar, 1 << 40).await.unwrap();
        assert!(!first.is_wanted());
        {
            let mut second = pin!(places.take(&nar, 1));
            assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert!(first.is_wanted());
        }
        assert!(!first.is_wanted(), "who waited has left");
        assert!(waits(&places, &nar, 1).await);
        drop(first);
        places.take(&nar, 1).await.unwrap();

        let document = Resource::CacheInfo;
        let most = places.take(&document, 3 * MEMORY_PIECE_BYTES - 1).await.unwrap();
        let rest = places.take(&document, 1).await.unwrap();
        assert!(waits(&places, &document, 1).await);
        drop((most, rest));
        places.take(&document, 1 << 40).await.unwrap();
    }
}
