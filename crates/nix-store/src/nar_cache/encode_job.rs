//! Doing the work of one compression.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use rns_cache::{Asker, Blob, BlobBody, CacheError, asker, on_behalf_of};
use rns_formats::{Sha256Digest, Sha256Hasher};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    cache::NarCache,
    disk::Temporary,
    encode_progress::{EncodeFailure, EncodeProgress, EncodeReader, EncodeStage},
    encoder::Encoder,
    file_name::CompressedFile,
    finished::{Finished, Uncached},
    memory::{self, Small},
    portions::{Portion, Portions},
    recipe::Recipe,
    slots::Slot,
    throttle::{BusyCheck, Throttle},
};

/// How long work that waits for its turn is kept in the queue when it has no reader any more.
const QUEUE_GRACE: Duration = Duration::from_secs(2);

/// How long work that runs goes on without a reader while others wait for its slot. Who was cut off comes back sooner.
const CROWDED_GRACE: Duration = Duration::from_secs(5);

/// The NAR to compress, and for whom.
pub(super) struct EncodeOrder {
    pub(super) cache: Arc<NarCache>,
    pub(super) nar: Arc<dyn Blob>,
    pub(super) recipe: Recipe,
    pub(super) tag: Arc<str>,
    pub(super) production: Arc<EncodeProgress>,
    /// Whose turn it takes.
    pub(super) asker: Asker,
    /// For a NAR that no client has asked for yet.
    pub(super) busy: Option<Arc<BusyCheck>>,
}

/// Takes part in the compression of a NAR, and starts it if it does not run.
pub(super) fn join(
    cache: &Arc<NarCache>,
    nar: &Arc<dyn Blob>,
    recipe: Recipe,
    tag: &Arc<str>,
) -> EncodeReader {
    join_as(cache, nar, recipe, tag, EncodeProgress::reader)
}

/// The same as another kind of reader.
pub(super) fn join_as(
    cache: &Arc<NarCache>,
    nar: &Arc<dyn Blob>,
    recipe: Recipe,
    tag: &Arc<str>,
    reader: fn(&Arc<EncodeProgress>) -> EncodeReader,
) -> EncodeReader {
    let (production, is_new) = cache.progress(tag);
    let reader = reader(&production);
    if is_new {
        tokio::spawn(run(EncodeOrder {
            cache: Arc::clone(cache),
            nar: Arc::clone(nar),
            recipe,
            tag: Arc::clone(tag),
            production,
            asker: asker(),
            busy: None,
        }));
    }
    reader
}

/// Waits until a NAR is compressed; `None` when it is gone or damaged.
pub(super) async fn finish(
    cache: &Arc<NarCache>,
    nar: &Arc<dyn Blob>,
    recipe: Recipe,
    tag: &Arc<str>,
) -> Result<Option<Finished>, CacheError> {
    if let Some(finished) = cache.find(tag).await {
        return Ok(Some(finished));
    }
    let failure = match join(cache, nar, recipe, tag).end().await {
        Ok(finished) => return Ok(Some(finished)),
        Err(failure) => failure,
    };
    match failure.error() {
        None => {
            let limits = Arc::clone(cache.limits(recipe.codec));
            Finished::uncached(Arc::clone(tag), Uncached { limits, nar: Arc::clone(nar), recipe })
                .await
        }
        Some(CacheError::Damaged { .. } | CacheError::Gone { .. }) => Ok(None),
        Some(error) => Err(error),
    }
}

/// Waits for a turn, and does the work on a thread of its own.
pub(super) async fn run(order: EncodeOrder) {
    let mut settled = Settlement { order, result: Err(EncodeFailure::Cache) };
    let order = &settled.order;
    let whole = order.cache.is_whole(order.nar.len());
    let limits = order.cache.limits(order.recipe.codec);
    // One that no client has asked for runs beside the others: it must not take their slot while it rests.
    let slot = match &order.busy {
        Some(_) => None,
        None => tokio::select! {
            biased;
            slot = on_behalf_of(order.asker, async {
                if whole {
                    limits.whole().await
                } else {
                    limits.growing(order.recipe, order.nar.len()).await
                }
            }) => Some(slot),
            // Work that has not begun ends at once when its last reader has left.
            () = order.production.abandoned(QUEUE_GRACE.min(order.cache.config.grace)) => return,
        },
    };
    // Another task may have been faster, between the question and the order.
    if let Some(finished) = order.cache.find(&order.tag).await {
        settled.result = Ok(finished);
        return;
    }
    let nar = &*order.nar;
    let read = if whole {
        nar.read_whole().await.map(|bytes| bytes.map(BlobBody::Whole))
    } else {
        nar.read(0..nar.len()).await
    };
    let work = match read {
        Ok(Some(body)) => Work::new(body, nar.len(), order.recipe),
        Ok(None) => {
            settled.result = Err(EncodeFailure::Gone);
            return;
        }
        Err(error) => {
            settled.result = Err(EncodeFailure::Nar(Arc::new(error)));
            return;
        }
    };
    if whole && order.busy.is_none() {
        spawn_blocking(move || settled.work(work, slot));
        return;
    }
    // Not a thread of the pool that answers requests: this takes minutes, and must not hold up a stop.
    let started =
        thread::Builder::new().name("compress".to_owned()).spawn(move || settled.work(work, slot));
    if let Err(error) = started {
        tracing::warn!("cannot start a thread that compresses: {error}");
    }
}

/// Tells all readers the result, also when the thread panics.
struct Settlement {
    order: EncodeOrder,
    result: Result<Finished, EncodeFailure>,
}

impl Drop for Settlement {
    fn drop(&mut self) {
        let EncodeOrder { cache, tag, production, .. } = &self.order;
        cache.end(tag, production);
        production.set(match &self.result {
            Ok(finished) => EncodeStage::Done(finished.clone()),
            Err(failure) => EncodeStage::Failed(failure.clone()),
        });
    }
}

impl Settlement {
    fn work(mut self, work: Work, slot: Option<Slot>) {
        let order = &self.order;
        order.cache.running.fetch_add(1, Ordering::Relaxed);
        let is_whole = order.cache.is_whole(order.nar.len());
        let result = if is_whole { order.whole(work) } else { order.growing(work) };
        order.cache.running.fetch_sub(1, Ordering::Relaxed);
        if result.is_ok() {
            order.cache.made.fetch_add(1, Ordering::Relaxed);
        }
        self.result = result;
        drop(slot);
    }
}

impl EncodeOrder {
    /// Compresses into memory, and then into a file.
    fn whole(&self, mut work: Work) -> Result<Finished, EncodeFailure> {
        let mut made = Vec::new();
        let mut pace = self.pace();
        while !work.is_at_end() {
            work.step(&mut made).map_err(nar)?;
            pace.rest();
        }
        let file = CompressedFile { size: made.len() as u64, hash: Sha256Digest::of(&made) };
        let bytes = Bytes::from(made.into_boxed_slice());
        let kept = self.temporary().and_then(|mut temporary| {
            temporary.append(&bytes)?;
            self.cache.disk.keep(&self.tag, temporary, file)
        });
        self.cache.note(&kept);
        if bytes.len() <= memory::MAX_ENTRY_BYTES {
            let small = Small::new(file, bytes);
            self.cache.memory.insert(Arc::clone(&self.tag), small.clone());
            return Ok(Finished::in_memory(Arc::clone(&self.tag), small));
        }
        Ok(match kept {
            Ok(found) => Finished::in_file(Arc::clone(&self.tag), found),
            Err(_) => Finished::in_memory(Arc::clone(&self.tag), Small::new(file, bytes)),
        })
    }

    /// Compresses into a file that others read meanwhile.
    fn growing(&self, mut work: Work) -> Result<Finished, EncodeFailure> {
        let temporary = self.temporary();
        self.cache.note(&temporary);
        let mut temporary = temporary.map_err(|_| EncodeFailure::Cache)?;
        let (mut made, mut hasher, mut written) = (Vec::new(), Sha256Hasher::new(), 0);
        let mut pace = self.pace();
        while !work.is_at_end() {
            if self.busy.is_none() && self.production.is_abandoned(self.grace()) {
                return Err(EncodeFailure::Cache);
            }
            pace.rest();
            made.clear();
            work.step(&mut made).map_err(nar)?;
            if made.is_empty() {
                continue;
            }
            hasher.update(&made);
            self.append(&mut temporary, &made)?;
            written += made.len() as u64;
            self.production
                .set(EncodeStage::GrowingNar { file: Arc::clone(temporary.file()), written });
        }
        let file = CompressedFile { size: written, hash: hasher.finish() };
        let open = Arc::clone(temporary.file());
        let kept = self.cache.disk.keep(&self.tag, temporary, file);
        self.cache.note(&kept);
        // Without its name, the file still serves those who are waiting for it.
        Ok(kept.map_or_else(
            |_| Finished::in_nameless_file(Arc::clone(&self.tag), file, open),
            |found| Finished::in_file(Arc::clone(&self.tag), found),
        ))
    }

    /// How long it goes on without a reader.
    fn grace(&self) -> Duration {
        let grace = self.cache.config.grace;
        let is_crowded = self.cache.limits(self.recipe.codec).is_crowded();
        if is_crowded { grace.min(CROWDED_GRACE) } else { grace }
    }

    fn pace(&self) -> Throttle<'_> {
        Throttle::new(self.busy.as_deref(), &self.production)
    }

    fn temporary(&self) -> io::Result<Temporary<'_>> {
        if self.cache.is_paused() {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the disk was full a moment ago",
            ));
        }
        self.cache.disk.temporary()
    }

    fn append(&self, temporary: &mut Temporary<'_>, bytes: &[u8]) -> Result<(), EncodeFailure> {
        let appended: io::Result<()> = temporary.append(bytes);
        self.cache.note(&appended);
        appended.map_err(|_| EncodeFailure::Cache)
    }
}

fn nar(error: CacheError) -> EncodeFailure {
    EncodeFailure::Nar(Arc::new(error))
}

/// A NAR that is being compressed, on a thread that may block.
///
/// Where its hash is to be checked, the blocking pool computes it, one chunk ahead of the encoder.
struct Work {
    portions: Portions,
    /// `None` before the first portion.
    encoder: Option<Encoder>,
    recipe: Recipe,
    size: u64,
    /// Where the NAR is read.
    runtime: Handle,
    ended: bool,
}

impl Work {
    fn new(body: BlobBody, size: u64, recipe: Recipe) -> Self {
        let portions = Portions::new(body, size);
        Self { portions, encoder: None, recipe, size, runtime: Handle::current(), ended: false }
    }

    /// Compresses the next portion and appends the output. Its end comes out only when the NAR had the right
    /// hash and length.
    ///
    /// # Errors
    /// Those of reading the NAR, and when the encoder cannot be set up for want of memory.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<(), CacheError> {
        let Portion { bytes, is_last } = self.runtime.block_on(self.portions.next())?;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(self.recipe.codec, self.recipe.level, self.size)?),
        };
        encoder.push(&bytes, out)?;
        if is_last {
            encoder.finish(out)?;
            self.ended = true;
        }
        Ok(())
    }

    /// Whether everything has come out.
    const fn is_at_end(&self) -> bool {
        self.ended
    }
}
