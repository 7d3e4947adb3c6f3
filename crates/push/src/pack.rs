//! The NAR of a path, compressed: in memory where it is small, otherwise in a file that has no name.

use std::{
    io::{self, Write},
    num::NonZero,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
};

use bytes::Bytes;
use rns_cache::{BlobBody, Chunks as _};
use rns_client::{Liveness, UploadBody};
use rns_formats::{Compression, NarName, PathInfo, Sha256Digest, Sha256Hasher};
use rns_nix_store::LocalStore;
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};
use zstd::{bulk::Compressor, zstd_safe::CParameter};

use crate::{
    body_target::{BodyTarget, MAX_MEMORY_BYTES},
    config::PushConfig,
    error::PushError,
};

/// NARs from this size on are compressed by several threads, in bytes.
const MIN_PARALLEL_BYTES: u64 = 64 << 20;

/// The most threads for one NAR: each takes some megabytes.
const MAX_PACK_THREADS: usize = 4;

/// Pieces of a large NAR that wait for the compressor.
const MAX_PACK_CHUNKS: usize = 4;

/// A packed NAR, ready to be uploaded.
#[derive(Debug)]
pub(crate) struct PackedNar {
    pub(crate) name: NarName,
    pub(crate) hash: Sha256Digest,
    pub(crate) body: UploadBody,
}

/// Packs NARs: as many at the same time as there are processors.
pub(crate) struct Packer {
    level: i32,
    scratch: PathBuf,
    liveness: Liveness,
    threads: usize,
    places: Semaphore,
    /// Compressors that are not in use: one for each place at most.
    idle: Arc<Mutex<Vec<Compressor<'static>>>>,
}

impl Packer {
    /// Packs as `config` says.
    pub(crate) fn new(config: &PushConfig) -> Self {
        let PushConfig { level, scratch, liveness, .. } = config;
        let (level, scratch, liveness) = (*level, scratch.clone(), liveness.clone());
        let threads = available_parallelism().map_or(1, NonZero::get);
        let (places, idle) = (Semaphore::new(threads), Arc::default());
        Self { level, scratch, liveness, threads, places, idle }
    }

    /// Packs the NAR of a path. Its contents are compared with the registered hash while they are read.
    pub(crate) async fn pack(
        &self,
        store: &LocalStore,
        info: &PathInfo,
    ) -> Result<PackedNar, PushError> {
        let _place = self.places.acquire().await;
        let gone = || PushError::NotValid(info.path.clone());
        let nar = store.nar(info.path.hash_part(), Some(info.nar_hash)).await?;
        let nar = nar.ok_or_else(gone)?;
        let size = nar.size();
        let body = store.read_nar(&nar, 0..size).await?.ok_or_else(gone)?;
        let mut chunks = match body {
            BlobBody::Stream(chunks) => chunks,
            BlobBody::Whole(bytes) => return self.pack_whole(bytes).await,
        };
        let (target, threads) = if size <= MAX_MEMORY_BYTES {
            (BodyTarget::memory(), 1)
        } else {
            let file = BodyTarget::file(&self.scratch).map_err(PushError::Pack)?;
            let threads = if size >= MIN_PARALLEL_BYTES { self.threads } else { 1 };
            (file, threads)
        };
        let packing =
            Packing { level: self.level, threads: threads.min(MAX_PACK_THREADS), size, target };
        let (sender, receiver) = mpsc::channel(MAX_PACK_CHUNKS);
        let packing = spawn_blocking(move || packing.run(receiver));
        // When the compressor fails, its own error tells more than the closed channel.
        while let Some(chunk) = chunks.next_chunk().await {
            if sender.send(chunk?).await.is_err() {
                break;
            }
            self.liveness.note();
        }
        drop(sender);
        let packed = packing.await.map_err(io::Error::other).and_then(|packed| packed);
        packed.map_err(PushError::Pack)
    }

    /// Packs a small NAR: most are, and a compressor costs more to make than to use for them.
    async fn pack_whole(&self, nar: Bytes) -> Result<PackedNar, PushError> {
        let (idle, level) = (Arc::clone(&self.idle), self.level);
        let packing = move || {
            let known = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut compressor = known.map_or_else(|| compressor(level), Ok)?;
            let file = Bytes::from(compressor.compress(&nar)?);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
            let hash = Sha256Digest::of(&file);
            Ok(PackedNar::new(hash, UploadBody::Bytes(file)))
        };
        let packed = spawn_blocking(packing).await.map_err(io::Error::other);
        packed.and_then(|packed| packed).map_err(PushError::Pack)
    }
}

impl PackedNar {
    fn new(hash: Sha256Digest, body: UploadBody) -> Self {
        Self { name: NarName::of_file(hash, Compression::Zstd), hash, body }
    }
}

fn compressor(level: i32) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// Hashes the bytes that pass.
struct HashingTarget {
    target: BodyTarget,
    hasher: Sha256Hasher,
    length: u64,
}

impl Write for HashingTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.target.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// One NAR on its way through the compressor.
struct Packing {
    level: i32,
    threads: usize,
    size: u64,
    target: BodyTarget,
}

impl Packing {
    /// Compresses the chunks as they come. Blocks.
    fn run(self, mut chunks: mpsc::Receiver<Bytes>) -> io::Result<PackedNar> {
        let hashed = HashingTarget { target: self.target, hasher: Sha256Hasher::new(), length: 0 };
        let mut encoder = zstd::Encoder::new(hashed, self.level)?;
        encoder.set_pledged_src_size(Some(self.size))?;
        encoder.include_checksum(true)?;
        if self.threads > 1 {
            // The bytes are the same for any number of threads above one.
            encoder.multithread(u32::try_from(self.threads).unwrap_or(1))?;
        }
        while let Some(chunk) = chunks.blocking_recv() {
            encoder.write_all(&chunk)?;
        }
        // Ends with an error when fewer bytes came than were announced.
        let HashingTarget { target, hasher, length } = encoder.finish()?;
        let hash = hasher.finish();
        let body = target.into_body(length)?;
        Ok(PackedNar::new(hash, body))
    }
}
