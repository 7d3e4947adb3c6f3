//! Doing the work of one compression.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread,
};

use bytes::Bytes;
use rns_formats::Sha256Hasher;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use super::{
    Finished, NarCache, Recipe,
    disk::Temporary,
    encode_progress::{EncodeProgress, Failure, Progress},
    file_name::CompressedFile,
    memory::{self, Small},
    throttle::{Busy, Throttle},
    uncached_encoder::Work,
};
use crate::{LocalStore, Nar, StoreError, daemon::HeldRoot};

/// What is to be compressed, and for whom.
pub(super) struct Order {
    pub(super) cache: Arc<NarCache>,
    pub(super) store: LocalStore,
    pub(super) nar: Nar,
    pub(super) recipe: Recipe,
    pub(super) tag: Arc<str>,
    pub(super) production: Arc<EncodeProgress>,
    /// For what nobody has asked for yet.
    pub(super) busy: Option<Arc<Busy>>,
}

/// Waits for a turn, and does the work on a thread where it blocks nobody.
pub(super) async fn run(order: Order) {
    let mut settled = Settled { order, result: Err(Failure::Cache) };
    let order = &settled.order;
    let whole = order.cache.is_whole(order.nar.size());
    let lane = order.cache.lane(order.recipe.codec);
    // One that nobody has asked for runs beside the others: it must not take their place while it rests.
    let permit = match (&order.busy, whole) {
        (Some(_), _) => None,
        (None, true) => Some(lane.whole().await),
        (None, false) => Some(lane.growing(order.recipe).await),
    };
    if matches!(permit, Some(None)) {
        return;
    }
    let permit = permit.flatten();
    // Somebody else may have been faster, between the question and the order.
    if let Some(finished) = order.cache.find(&order.tag).await {
        settled.result = Ok(finished);
        return;
    }
    // What is read before anything is sent needs no root.
    let held = if whole {
        order.store.is_there(&order.nar).await.map(|there| there.then_some(None))
    } else {
        order.store.hold(&order.nar).await.map(|root| root.map(Some))
    };
    let root = match held {
        Ok(Some(root)) => root,
        Ok(None) => {
            settled.result = Err(Failure::Gone(order.nar.info.path.clone()));
            return;
        }
        Err(error) => {
            settled.result = Err(Failure::Nar(Arc::new(error)));
            return;
        }
    };
    if root.is_none() && order.busy.is_none() {
        spawn_blocking(move || settled.work(None, permit));
        return;
    }
    // Not a thread of the pool that answers requests: this takes minutes, and must not hold up a stop.
    let started = thread::Builder::new()
        .name("compress".to_owned())
        .spawn(move || settled.work(root, permit));
    if let Err(error) = started {
        tracing::warn!("cannot start a thread that compresses: {error}");
    }
}

/// Tells everybody the result, whatever becomes of the thread.
struct Settled {
    order: Order,
    result: Result<Finished, Failure>,
}

impl Drop for Settled {
    fn drop(&mut self) {
        let Order { cache, tag, production, .. } = &self.order;
        cache.end(tag, production);
        production.set(match &self.result {
            Ok(finished) => Progress::Done(finished.clone()),
            Err(failure) => Progress::Failed(failure.clone()),
        });
    }
}

impl Settled {
    fn work(mut self, root: Option<HeldRoot>, permit: Option<OwnedSemaphorePermit>) {
        self.order.cache.running.fetch_add(1, Ordering::Relaxed);
        self.result = match root {
            None => self.order.whole(),
            Some(_) => self.order.growing(),
        };
        self.order.cache.running.fetch_sub(1, Ordering::Relaxed);
        if self.result.is_ok() {
            self.order.cache.made.fetch_add(1, Ordering::Relaxed);
        }
        drop((permit, root));
    }
}

impl Order {
    /// Compresses into memory, and then into a file.
    fn whole(&self) -> Result<Finished, Failure> {
        let mut work = self.start()?;
        let mut made = Vec::new();
        let mut pace = self.pace();
        while !work.is_at_end() {
            work.step(&mut made).map_err(nar)?;
            pace.rest();
        }
        let file =
            CompressedFile { size: made.len() as u64, hash: rns_formats::Sha256Digest::of(&made) };
        let bytes = Bytes::from(made.into_boxed_slice());
        let kept = self.temporary().and_then(|mut temporary| {
            temporary.append(&bytes)?;
            self.cache.disk.keep(&self.tag, temporary, file)
        });
        self.cache.note(&kept);
        if bytes.len() <= memory::LONGEST {
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
    fn growing(&self) -> Result<Finished, Failure> {
        let temporary = self.temporary();
        self.cache.note(&temporary);
        let mut temporary = temporary.map_err(|_| Failure::Cache)?;
        let mut work = self.start()?;
        work.hash_beside();
        let (mut made, mut hasher, mut written) = (Vec::new(), Sha256Hasher::new(), 0);
        let mut pace = self.pace();
        while !work.is_at_end() {
            if self.busy.is_none() && self.production.is_abandoned(self.cache.config.grace) {
                return Err(Failure::Cache);
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
                .set(Progress::GrowingNar { file: Arc::clone(temporary.file()), written });
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

    fn pace(&self) -> Throttle<'_> {
        Throttle::new(self.busy.as_deref(), &self.production)
    }

    fn temporary(&self) -> io::Result<Temporary<'_>> {
        if self.cache.is_paused() {
            return Err(io::Error::other("the disk was full a moment ago"));
        }
        self.cache.disk.temporary()
    }

    fn append(&self, temporary: &mut Temporary<'_>, bytes: &[u8]) -> Result<(), Failure> {
        let appended: io::Result<()> = temporary.append(bytes);
        self.cache.note(&appended);
        appended.map_err(|_| Failure::Cache)
    }

    fn start(&self) -> Result<Work, Failure> {
        self.store.work(&self.nar, self.recipe).map_err(nar)
    }
}

fn nar(error: StoreError) -> Failure {
    Failure::Nar(Arc::new(error))
}
