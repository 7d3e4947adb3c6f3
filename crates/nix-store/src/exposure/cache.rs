//! The adapter: a local store, of which only the paths that a policy exposes are shown.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use async_trait::async_trait;
use rns_cache::{
    BackendStats, BinaryCache, BuildLog, CacheError, DebugInfo, ExposureStats, Listing, MAX_SAMPLE,
    NarAnswer, NotReady, PathRecord, Peek, Served,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarName, Realisation,
    ServePath, Sha256Digest, StoreDir, StorePath,
};
use tokio::time::timeout;

use super::exposed_paths::ExposedPaths;
use crate::{
    LocalStore, Nar,
    questions::{debug_info, derivation_of, listing_of, nar_answer, record},
    store::hash_key::key,
};

/// How long a question for readiness waits for an evaluation that is running.
const EVALUATION_TIMEOUT: Duration = Duration::from_millis(100);

fn still_evaluated() -> CacheError {
    CacheError::Unavailable {
        what: "the policy of exposure is still being evaluated".to_owned(),
        remedy: "nothing has to be done: it answers when that has ended",
    }
}

/// A local store, of which only the paths that a policy exposes are shown. Clones share everything.
///
/// Each question goes to the set of exposed paths before it goes to the store, so that a hidden path and a missing one
/// take the same steps.
#[derive(Clone)]
pub struct ExposedCache {
    pub(super) store: LocalStore,
    pub(super) paths: Arc<ExposedPaths>,
}

impl ExposedCache {
    pub(super) const fn new(store: LocalStore, paths: Arc<ExposedPaths>) -> Self {
        Self { store, paths }
    }

    /// The store behind it, all of it.
    #[must_use]
    pub const fn inner(&self) -> &LocalStore {
        &self.store
    }

    /// A number that changes whenever a path is hidden that was exposed, or a derivation is exposed that was not; no two
    /// policies of a store have the same number.
    #[must_use]
    pub fn exposure_epoch(&self) -> u64 {
        self.paths.epoch()
    }

    /// Whether the path with this hash part is exposed, going by the memory. `None` when that is not known yet.
    #[must_use]
    pub fn exposes_now(&self, hash: &HashPart) -> Option<bool> {
        self.paths.exposes(key(hash))
    }

    /// Waits until the exposed paths are known. Later changes do not make it wait again.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be found out now.
    pub async fn exposure_known(&self) -> Result<(), CacheError> {
        self.paths.watch();
        if self.paths.snapshot().is_none() {
            self.paths.refresh(0, self.paths.asked()).await?;
        }
        Ok(())
    }

    /// Waits until everything has been read again since a policy that was in use already was last asked for. The paths
    /// that were exposed go on being shown meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be done now.
    pub async fn exposure_settled(&self) -> Result<(), CacheError> {
        self.exposure_known().await?;
        match self.paths.wanted() {
            Some(wanted) => self.paths.evaluate_anew(wanted).await,
            None => Ok(()),
        }
    }

    /// The counts of the policy.
    #[must_use]
    pub fn exposure_numbers(&self) -> ExposureStats {
        self.paths.numbers()
    }

    /// All exposed paths; `None` while it is not known which these are.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn exposed_paths(&self) -> Result<Option<Vec<HashPart>>, CacheError> {
        let Some(snapshot) = self.paths.snapshot() else { return Ok(None) };
        self.store.questions().registered.of_rows(snapshot.set.rows().collect()).await.map(Some)
    }

    /// Exposed paths whose NAR has this hash: the latest, up to 32. See [`LocalStore::find_nar`].
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn find_nar(&self, nar_hash: &Sha256Digest) -> Result<Vec<HashPart>, CacheError> {
        let (index, nar_hash) = (&self.store.questions().nar_hashes, *nar_hash);
        let (asked_index, asked) = (index.asked(), self.paths.asked());
        let found = index.indexed(nar_hash, self.rows()?).await?;
        let found = self.signed(found).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        index.extend(asked_index).await?;
        self.refresh(asked).await?;
        let found = index.indexed_or_searched(nar_hash, self.rows()?).await?;
        self.signed(found).await
    }

    async fn nar_of(
        &self,
        hash: HashPart,
        expected: Option<Sha256Digest>,
    ) -> Result<Option<Nar>, CacheError> {
        match self.known_row(hash).await? {
            Some(known) if expected.is_none_or(|expected| expected == known.row.info.nar_hash) => {
                self.store.questions().nars.open(&known.row).await
            }
            _ => Ok(None),
        }
    }

    /// Those with valid signatures, where the policy asks for some and they have not been verified yet.
    async fn signed(&self, found: Vec<HashPart>) -> Result<Vec<HashPart>, CacheError> {
        if !self.needs_signatures() {
            return Ok(found);
        }
        let mut signed = Vec::new();
        for hash in found {
            signed.extend(self.known_row(hash).await?.map(|_| hash));
        }
        Ok(signed)
    }

    async fn indexed_debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        let debug_files = &self.store.questions().debug_files;
        for path in debug_files.paths_with(id, self.rows()?).await? {
            if debug_files.has_file(&path, id).await?
                && let Some(known) = self.known_path(path.hash_part()).await?
            {
                return Ok(Some(debug_info(id, &known.row.info)));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl BinaryCache for ExposedCache {
    fn store_dir(&self) -> &StoreDir {
        self.store.store_dir()
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        self.peek_row(hash)
    }

    /// A path that is hidden, or found damaged, changes it at once.
    fn generation(&self) -> Option<NonZeroU64> {
        self.paths.generation_with(self.store.generation()?)
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        Ok(self.known_path(hash).await?.as_ref().map(record))
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
            if let Some(nar) = self.nar_of(hash, expected).await? {
                return Ok(Some(nar_answer(&self.store.questions().nars, nar)));
            }
        }
        Ok(None)
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        match self.nar_of(hash, None).await? {
            Some(nar) => listing_of(nar).await,
            None => Ok(None),
        }
    }

    /// Only the log of a derivation that is exposed.
    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        let by_hash = match name.hash_part() {
            Some(hash) => match self.known_path(hash).await? {
                Some(known) => derivation_of(&known.row.info),
                None => self.store.questions().logs.derivations_with_hash_part(hash).await?,
            },
            None => Vec::new(),
        };
        let mut derivations = Vec::new();
        for derivation in name.candidates().chain(&by_hash) {
            if self.is_exposed(derivation).await? {
                derivations.push(derivation.clone());
            }
        }
        self.store.questions().logs.of_derivations(derivations).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        let asked = self.paths.asked();
        // Until the exposed paths are known, a missing realisation must look like any other.
        drop(self.rows()?);
        let row = self.store.questions().realisations.row(id).await?;
        let mut is_exposed = false;
        if let Some(row) = &row {
            is_exposed = row.paths.iter().copied().all(self.rows()?);
        }
        if !is_exposed {
            self.refresh(asked).await?;
        }
        let Some(row) = row else { return Ok(None) };
        if !row.paths.iter().copied().all(self.rows()?) {
            return Ok(None);
        }
        let found = self.store.questions().realisations.parse(id, &row)?;
        if self.needs_signatures() {
            let dependencies = found.dependent_realisations.values();
            for path in dependencies.chain([&found.out_path]) {
                if !self.is_exposed(path).await? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(found))
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        let asked = self.paths.asked();
        drop(self.rows()?);
        match self.store.build_trace(drv, output).await {
            Ok(Some(entry)) if self.is_exposed(&entry.out_path).await? => Ok(Some(entry)),
            Ok(None) => {
                self.refresh(asked).await?;
                Ok(None)
            }
            // A row that makes no sense names no path that is exposed.
            Ok(Some(_)) | Err(CacheError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        let (asked_index, asked) = (self.store.questions().debug_files.asked(), self.paths.asked());
        if let Some(found) = self.indexed_debug_info(id).await? {
            return Ok(Some(found));
        }
        self.store.questions().debug_files.extend(asked_index).await?;
        self.refresh(asked).await?;
        self.indexed_debug_info(id).await
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        match self.known_path(hash).await? {
            Some(known) => {
                self.store.questions().files.find(Arc::clone(&known.row.info), path).await
            }
            None => Ok(None),
        }
    }

    /// The oldest exposed paths, as of the store itself.
    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        self.exposure_known().await?;
        let Some(snapshot) = self.paths.snapshot() else { return Ok(Vec::new()) };
        self.store.questions().registered.of_rows(snapshot.set.first_rows(MAX_SAMPLE)).await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        let exposure = timeout(EVALUATION_TIMEOUT, self.exposure_known()).await;
        if let Err(error) = exposure.unwrap_or_else(|_| Err(still_evaluated())) {
            reasons.push(NotReady::Exposure(error));
        }
        reasons.extend(self.store.readiness().await);
        reasons
    }

    async fn settled(&self) -> Result<(), CacheError> {
        self.exposure_known().await
    }

    fn stats(&self) -> BackendStats {
        BackendStats { exposure: Some(self.exposure_numbers()), ..self.store.stats() }
    }
}
