//! Several caches as one: the first in the list that has an object answers.

use std::sync::Arc;

use async_trait::async_trait;
use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, NarName, Realisation, ServePath,
    StoreDir, StorePath,
};

use crate::{
    BackendStats, BinaryCache, BuildLog, CacheError, DebugInfo, Listing, MAX_SAMPLE, NarAnswer,
    NotReady, PathRecord, Peek, ReadyNar, Served,
};

/// Caches in order. The first hit wins.
///
/// A layer that cannot answer does not keep a lower one from answering; but when none has a hit, the outage is the
/// answer, never a miss.
pub struct Layered {
    first: Arc<dyn BinaryCache>,
    others: Vec<Arc<dyn BinaryCache>>,
}

impl Layered {
    /// Caches of the same store directory, the preferred one first.
    #[must_use]
    pub const fn new(first: Arc<dyn BinaryCache>, others: Vec<Arc<dyn BinaryCache>>) -> Self {
        Self { first, others }
    }

    fn layers(&self) -> impl Iterator<Item = &Arc<dyn BinaryCache>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// Asks one layer after the other. A macro, since a closure cannot lend its layer to the future that it makes.
macro_rules! first_hit {
    ($self:ident, $layer:ident => $question:expr) => {{
        let mut outage = None;
        for $layer in $self.layers() {
            match $question.await {
                Ok(Some(answer)) => return Ok(Some(answer)),
                Ok(None) => {}
                // The operator has to mend the first outage first.
                Err(error) => {
                    outage.get_or_insert(error);
                }
            }
        }
        outage.map_or(Ok(None), Err)
    }};
}

#[async_trait]
impl BinaryCache for Layered {
    fn store_dir(&self) -> &StoreDir {
        self.first.store_dir()
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        for (layer, number) in self.layers().zip(0..) {
            match layer.peek(hash) {
                Peek::Hit { freshness, nar_hash } => {
                    return Peek::Hit { freshness: freshness.in_layer(number), nar_hash };
                }
                Peek::Miss => {}
                // A layer above may have it, and then wins.
                Peek::Unknown => return Peek::Unknown,
            }
        }
        Peek::Miss
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        let mut outage = None;
        for (layer, number) in self.layers().zip(0..) {
            match layer.path_info(hash).await {
                Ok(Some(record)) => {
                    let freshness = record.freshness.in_layer(number);
                    return Ok(Some(PathRecord { freshness, ..record }));
                }
                Ok(None) => {}
                Err(error) => {
                    outage.get_or_insert(error);
                }
            }
        }
        outage.map_or(Ok(None), Err)
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        first_hit!(self, layer => layer.nar(name))
    }

    fn nar_now(&self, name: &NarName, by_name: bool) -> Option<ReadyNar> {
        self.layers().find_map(|layer| layer.nar_now(name, by_name))
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        first_hit!(self, layer => layer.listing(hash))
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        first_hit!(self, layer => layer.log(name))
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        first_hit!(self, layer => layer.realisation(id))
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        first_hit!(self, layer => layer.build_trace(drv, output))
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        first_hit!(self, layer => layer.debug_info(id))
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        first_hit!(self, layer => layer.file(hash, path))
    }

    /// Some paths of each layer.
    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        let (mut sample, mut outage) = (Vec::new(), None);
        for layer in self.layers() {
            match layer.sample().await {
                Ok(paths) => sample.extend(paths),
                Err(error) => {
                    outage.get_or_insert(error);
                }
            }
        }
        sample.truncate(MAX_SAMPLE);
        match outage {
            Some(error) if sample.is_empty() => Err(error),
            _ => Ok(sample),
        }
    }

    async fn readiness(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        for layer in self.layers() {
            reasons.extend(layer.readiness().await);
        }
        reasons
    }

    async fn settled(&self) -> Result<(), CacheError> {
        for layer in self.layers() {
            layer.settled().await?;
        }
        Ok(())
    }

    fn stats(&self) -> BackendStats {
        self.layers().map(|layer| layer.stats()).fold(BackendStats::default(), BackendStats::plus)
    }
}
