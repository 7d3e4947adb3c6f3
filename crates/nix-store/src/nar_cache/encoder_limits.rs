//! The limits of compression side by side. Each codec has limits of its own, so that the slow one never holds up the
//! other.

use std::{num::NonZeroUsize, sync::Arc, thread};

use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use super::{
    config::Codec,
    recipe::Recipe,
    slots::{Slot, Slots},
};
use crate::CacheError;

pub(super) struct EncoderLimits {
    codec: Codec,
    level: u8,
    recipe: OnceCell<Recipe>,
    /// One slot for each NAR that may be compressed in memory at the same time.
    whole: Slots,
    /// One slot for each MiB that the other encoders may take.
    growing: Slots,
    memory_mib: u32,
    /// One permit for each NAR that may be begun early.
    early: Arc<Semaphore>,
}

impl EncoderLimits {
    pub(super) fn new(codec: Codec, level: u8, memory_bytes: u64) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let memory_mib = u32::try_from(memory_bytes >> 20).unwrap_or(u32::MAX).max(1);
        Self {
            codec,
            level,
            recipe: OnceCell::new(),
            whole: Slots::new(u32::try_from(processors).unwrap_or(u32::MAX)),
            growing: Slots::new(memory_mib),
            memory_mib,
            // The slow codec, whose encoders take much memory, keeps room for those who wait for a NAR.
            early: Arc::new(Semaphore::new(match codec {
                Codec::Zstd => processors,
                Codec::Xz => 1,
            })),
        }
    }

    /// A slot among those that are begun early, if there is one.
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
    pub(super) async fn whole(&self) -> Slot {
        self.whole.slot(1).await
    }

    /// Waits until there is memory for one more encoder. One always runs, with any need of memory.
    pub(super) async fn growing(&self, recipe: Recipe, nar_size: u64) -> Slot {
        self.growing.slot(recipe.memory_mib(nar_size).min(self.memory_mib)).await
    }

    /// Whether an encoder waits for memory.
    pub(super) fn is_crowded(&self) -> bool {
        self.growing.has_waiting()
    }
}
