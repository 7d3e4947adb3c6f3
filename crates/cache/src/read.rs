//! The questions that a binary cache answers.

use std::num::NonZeroU64;

use rns_formats::{
    BuildId, BuildTraceEntry, DrvOutputId, HashPart, LogName, NarName, Realisation, ServePath,
    StoreDir, StorePath,
};

use async_trait::async_trait;

use crate::{
    BackendStats, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NotReady, PathRecord, Peek,
    ReadyNar, Served,
};

/// Paths in a sample of a cache.
pub const MAX_SAMPLE: usize = 32;

/// A binary cache that is read.
///
/// Guarantees of every implementation, tested by the module `conformance`:
///
/// - **A miss is true**: `None` is answered by a lookup that began after the question was asked. A false miss costs a
///   client an hour.
/// - **A hit is at most one second old.**
/// - **An outage is an error, never a miss**, and a miss never an error.
/// - An offer of a record can be had: [`nar`](Self::nar) knows the name in [`NarOffer::url`](crate::NarOffer::url).
/// - A body is never cut short unnoticed: it ends with an error.
///
/// A question may be dropped at any time.
#[async_trait]
pub trait BinaryCache: Send + Sync {
    /// The logical store directory of all its paths.
    fn store_dir(&self) -> &StoreDir;

    /// Whether a path is there, from memory. Never waits: it is called on event loops for each request.
    fn peek(&self, _hash: &HashPart) -> Peek {
        Peek::Unknown
    }

    /// The generation of all records, where one number says it. While it is the same, a hit of [`peek`](Self::peek) may be
    /// told again for a second. It may be some milliseconds old, so it proves no miss. Never waits.
    fn generation(&self) -> Option<NonZeroU64> {
        None
    }

    /// The record of the path with this hash part.
    ///
    /// # Errors
    /// When the cache cannot say.
    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError>;

    /// The NAR with this name. A name of another NAR than the path has now is none: the path was built anew, and the
    /// client shall not get other bytes than it asked for.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError>;

    /// Returns true if there is certainly no such NAR, by a lookup that began after the question. Never waits: it is called on event
    /// loops.
    fn lacks_nar(&self, _name: &NarName) -> bool {
        false
    }

    /// The NAR where nothing has to be waited for; `None` says nothing. With `by_name`, for a server in front that
    /// sends files itself, the name of a file is preferred. Never waits.
    fn nar_now(&self, _name: &NarName, _by_name: bool) -> Option<ReadyNar> {
        None
    }

    /// The listing of a path's NAR.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError>;

    /// The log of a derivation's build.
    ///
    /// # Errors
    /// As [`Self::path_info`]; `Invalid` when it cannot be unpacked.
    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError>;

    /// The realisation with this id, as Nix 2.4 to 2.34 exchange it.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError>;

    /// The store path that an output of a derivation was built to, as Nix 2.35 exchanges it.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError>;

    /// Where the debug information with this build id is.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError>;

    /// The file or directory at `path` inside a store path; `None` also where single files cannot be had.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError>;

    /// Hash parts of some paths that are likely to be there, at most [`MAX_SAMPLE`], for a client that wants to try the cache
    /// and knows none of its paths. Nothing is promised: each has to be asked for before a client is told of it.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        Ok(Vec::new())
    }

    /// Reasons why the cache cannot answer truthfully now; empty when it can.
    async fn readiness(&self) -> Vec<NotReady>;

    /// Waits until the cache knows which paths it shows; later changes do not make it wait again.
    ///
    /// # Errors
    /// When that cannot be found out now.
    async fn settled(&self) -> Result<(), CacheError> {
        Ok(())
    }

    /// The counters.
    fn stats(&self) -> BackendStats {
        BackendStats::default()
    }
}
