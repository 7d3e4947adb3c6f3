//! What may be compressed side by side. Each codec has a lane of its own, so that the slow one never holds up the
//! other.

use std::{num::NonZeroUsize, sync::Arc, thread};

use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use super::{config::Codec, recipe::Recipe};
use crate::CacheError;

pub(super) struct Lane {
    codec: Codec,
    level: u8,
    recipe: OnceCell<Recipe>,
    /// One permit for each NAR that may be compressed in memory at the same time.
    whole: Arc<Semaphore>,
    /// One permit for each MiB that the other encoders may take.
    growing: Arc<Semaphore>,
    memory_mib: u32,
    /// One permit for each NAR that may be begun early.
    early: Arc<Semaphore>,
}

impl Lane {
    pub(super) fn new(codec: Codec, level: u8, memory_bytes: u64) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let memory_mib =
            u32::try_from(memory_bytes >> 20).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self {
            codec,
            level,
            recipe: OnceCell::new(),
            whole: Arc::new(Semaphore::new(processors)),
            growing: Arc::new(Semaphore::new(memory_mib as usize)),
            memory_mib,
            // The slow codec, whose encoders take much memory, keeps room for those who wait for a NAR.
            early: Arc::new(Semaphore::new(match codec {
                Codec::Zstd => processors,
                Codec::Xz => 1,
            })),
        }
    }

    /// A place among those that are begun early, if there is one.
    pub(super) fn early(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.early).try_acquire_owned().ok()
    }

    /// How NARs are compressed here.
    pub(super) async fn recipe(&self) -> Result<Recipe, CacheError> {
        let (codec, level) = (self.codec, self.level);
        let made = || async {
            spawn_blocking(move || Recipe::new(codec, level))
                .await
                .map_err(|_| CacheError::ShuttingDown)?
        };
        self.recipe.get_or_try_init(made).await.copied()
    }

    /// The same where it is known already.
    pub(super) fn known_recipe(&self) -> Option<Recipe> {
        self.recipe.get().copied()
    }

    /// Waits until one more NAR may be compressed in memory.
    pub(super) async fn whole(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.whole).acquire_owned().await.ok()
    }

    /// Waits until there is memory for one more encoder. One always runs, whatever it takes.
    pub(super) async fn growing(&self, recipe: Recipe) -> Option<OwnedSemaphorePermit> {
        let needed = recipe.memory_mib().min(self.memory_mib);
        Arc::clone(&self.growing).acquire_many_owned(needed).await.ok()
    }
}
