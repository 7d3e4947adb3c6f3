//! This machine's Nix store as a binary cache, read only: a struct for each question, and the trait over them.

use std::{num::NonZeroU64, ops::Range, sync::Arc};

use async_trait::async_trait;
use rns_cache::{
    BackendStats, BinaryCache, BlobBody, BuildLog, DebugInfo, Listing, MAX_SAMPLE, NarAnswer,
    NotReady, PathRecord, Peek, Served,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, PathInfo,
    Realisation, ServePath, Sha256Digest, StoreDir, StorePath,
};
use tokio::task::spawn_blocking;

use crate::{
    CacheError, StoreConfig,
    daemon::Unrooted,
    nar::Nar,
    questions::{
        BuildLogs, BuiltOutputs, ClosureFinder, DebugFiles, NarHashes, Nars, PathInfos, PathRows,
        Realisations, RegisteredPaths, StoreFiles, listing_of, nar_answer, record,
    },
    store::StoreParts,
};

/// A Nix store on this machine, all of it. Clones share everything.
#[derive(Clone)]
pub struct LocalStore(Arc<Questions>);

/// The questions that a store answers.
pub(crate) struct Questions {
    pub(crate) parts: Arc<StoreParts>,
    pub(crate) rows: PathRows,
    pub(crate) nars: Nars,
    pub(crate) paths: PathInfos,
    pub(crate) registered: RegisteredPaths,
    pub(crate) closures: ClosureFinder,
    pub(crate) nar_hashes: NarHashes,
    pub(crate) logs: BuildLogs,
    pub(crate) realisations: Realisations,
    pub(crate) debug_files: DebugFiles,
    pub(crate) files: StoreFiles,
}

impl LocalStore {
    /// A handle to the store. Nothing is opened yet: a store that cannot be read is an error of each
    /// question, so that it is served as soon as it can be.
    #[must_use]
    pub fn open(config: StoreConfig) -> Self {
        let parts = Arc::new(StoreParts::new(config));
        let rows = PathRows::new(&parts);
        let nars = Nars::new(&parts, &rows);
        let paths = PathInfos::new(rows.clone(), nars.clone());
        Self(Arc::new(Questions {
            registered: RegisteredPaths::new(Arc::clone(&parts)),
            closures: ClosureFinder::new(Arc::clone(&parts)),
            nar_hashes: NarHashes::new(&parts),
            logs: BuildLogs::new(&parts, paths.clone()),
            realisations: Realisations::new(Arc::clone(&parts)),
            debug_files: DebugFiles::new(&parts, paths.clone()),
            files: StoreFiles::new(Arc::clone(&parts)),
            parts,
            rows,
            nars,
            paths,
        }))
    }

    /// The questions, for an adapter that shows a part of the store.
    pub(crate) fn questions(&self) -> &Questions {
        &self.0
    }

    /// The logical store directory.
    #[must_use]
    pub fn store_dir(&self) -> &StoreDir {
        self.0.parts.store_dir()
    }

    /// Whether the store can be read now, and is the one that was configured.
    ///
    /// # Errors
    /// `Unavailable`, with the reason and the remedy.
    pub async fn readable(&self) -> Result<(), CacheError> {
        let presence = Arc::clone(&self.0.parts.presence);
        spawn_blocking(move || presence.look()).await.map_err(|_| CacheError::ShuttingDown)?
    }

    /// The same for a program that has no event loop.
    ///
    /// # Errors
    /// As [`Self::readable`].
    pub fn readable_blocking(&self) -> Result<(), CacheError> {
        self.0.parts.presence.look()
    }

    /// The facts about the valid path with this hash part. `None` when there is no such path, or when its files are
    /// known to be gone.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; `Invalid` when its row makes no sense.
    pub async fn path_info(&self, hash: HashPart) -> Result<Option<Arc<PathInfo>>, CacheError> {
        self.0.paths.get(hash).await
    }

    /// The NAR of the path with this hash part; with `expected`, only if that is its hash: a path that
    /// was built anew since the client asked is another NAR.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    pub async fn nar(
        &self,
        hash: HashPart,
        expected: Option<Sha256Digest>,
    ) -> Result<Option<Nar>, CacheError> {
        match self.0.rows.get(hash).await? {
            Some(known) if expected.is_none_or(|expected| expected == known.row.info.nar_hash) => {
                self.0.nars.open(&known.row).await
            }
            _ => Ok(None),
        }
    }

    /// The bytes of `range`, which lies within the NAR. `None` when the path was collected meanwhile.
    ///
    /// # Errors
    /// As [`Self::path_info`]; errors while reading come with the chunks.
    pub async fn read_nar(
        &self,
        nar: &Nar,
        range: Range<u64>,
    ) -> Result<Option<BlobBody>, CacheError> {
        self.0.nars.read(nar, range).await
    }

    /// Paths whose NAR has this hash: the latest, up to 32.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn find_nar(&self, hash: &Sha256Digest) -> Result<Vec<HashPart>, CacheError> {
        self.0.nar_hashes.find(hash).await
    }

    /// Paths that were registered after the one with this number, up to 256, and the number of the last of them.
    /// `None` only asks for the number of the newest.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn registered_after(
        &self,
        row: Option<i64>,
    ) -> Result<(Vec<HashPart>, i64), CacheError> {
        self.0.registered.after(row).await
    }

    /// The outputs of content-addressed derivations that these paths are.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn built_outputs(&self, paths: &[StorePath]) -> Result<BuiltOutputs, CacheError> {
        self.0.realisations.of_paths(paths).await
    }

    /// Those of the derivations whose build has left a log.
    ///
    /// # Errors
    /// `Io` when a log is there but cannot be read.
    pub async fn with_logs(
        &self,
        derivations: Vec<StorePath>,
    ) -> Result<Vec<StorePath>, CacheError> {
        self.0.logs.existing(derivations).await
    }

    /// Whether the path with this hash part was found damaged, or the whole store not there, so that nothing that was known
    /// before counts until it is looked up again. Never waits.
    #[must_use]
    pub fn is_suspect(&self, hash: &HashPart) -> bool {
        self.0.rows.is_suspect(hash)
    }

    /// The counts of all handles to the store together.
    #[must_use]
    pub fn numbers(&self) -> BackendStats {
        let parts = &self.0.parts;
        let (layout_bytes, layout_hits, layout_misses) = parts.layouts.numbers();
        BackendStats {
            layout_bytes,
            layout_hits,
            layout_misses,
            damaged: parts.health.damaged_so_far(),
            questions: parts.database.questions(),
            failures: parts.database.failures(),
            rooted: parts.roots.rooted(),
            unrooted: Unrooted::ALL
                .map(|cause| (cause.name(), parts.roots.unrooted(cause)))
                .to_vec(),
            ..BackendStats::default()
        }
    }
}

#[async_trait]
impl BinaryCache for LocalStore {
    fn store_dir(&self) -> &StoreDir {
        Self::store_dir(self)
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        self.0.rows.peek(hash)
    }

    fn generation(&self) -> Option<NonZeroU64> {
        self.0.rows.undisturbed_generation()
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        Ok(self.0.paths.row(hash).await?.as_ref().map(record))
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        if name.compression != Compression::None {
            return Ok(None);
        }
        let (paths, expected) = match (name.hash_part, name.nar_hash) {
            (Some(hash), expected) => (vec![hash], expected),
            (None, Some(nar_hash)) => (self.find_nar(&nar_hash).await?, Some(nar_hash)),
            (None, None) => return Ok(None),
        };
        for hash in paths {
            if let Some(nar) = Self::nar(self, hash, expected).await? {
                return Ok(Some(nar_answer(&self.0.nars, nar)));
            }
        }
        Ok(None)
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        match Self::nar(self, hash, None).await? {
            Some(nar) => listing_of(nar).await,
            None => Ok(None),
        }
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        self.0.logs.find(name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        self.0.realisations.get(id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        self.0.realisations.build_trace(drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.0.debug_files.find(id).await
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        match self.0.paths.get(hash).await? {
            Some(info) => self.0.files.find(info, path).await,
            None => Ok(None),
        }
    }

    /// The oldest paths: those of the system itself, which say the least about the purpose of the machine.
    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        let (mut oldest, _) = self.registered_after(Some(0)).await?;
        oldest.truncate(MAX_SAMPLE);
        Ok(oldest)
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.readable().await.err().map(NotReady::Store).into_iter().collect()
    }
}
