//! The questions and orders of any binary cache, for every backend.
//!
//! - `read`: [`BinaryCache`], the questions; `write`: [`WritableCache`], the orders
//! - `roots`: [`RootedCache`], keeping paths on purpose, and the parts that all backends with roots share
//! - `record`, `documents`, `files`: the answers of a cache
//! - `blob`, `chunks`: bytes, whole or as they are read
//! - `asker`: on whose behalf a cache is asked; `pusher`: who changes it
//! - `error`: [`CacheError`], failures by meaning
//! - `layered`: several caches as one; `empty`: none
//! - `exposure`: which store paths are shown, as configuration says it
//! - `factory`: how a server gets its caches
//! - `may_block`: threads that run steps which block
//! - `human`: amounts and times as people and programs read them
//! - `stats`: the counters of a cache; `keep_free`: how much of a disk is kept free
//! - `conformance`: the tests that every backend passes (feature `conformance`)
//!
//! The crate does no I/O of its own and starts no tasks.

mod asker;
mod blob;
mod chunks;
#[cfg(feature = "conformance")]
pub mod conformance;
mod documents;
mod empty;
mod error;
mod exposure;
mod factory;
mod files;
mod human;
mod keep_free;
mod layered;
mod may_block;
mod pusher;
mod read;
mod record;
mod roots;
mod stats;
mod write;

pub use async_trait::async_trait;

pub use self::{
    asker::{Asker, asker, on_behalf_of},
    blob::{Blob, BlobBody, GrowingBlob, MemoryBlob, NarAnswer, ReadyBody, ReadyNar, slice},
    chunks::{Chunks, FilePart, Piece},
    documents::{BuildLog, DebugInfo, Listing, LogContents},
    empty::EmptyCache,
    error::CacheError,
    exposure::{ExposurePolicy, Pattern, PatternError, glob_matches},
    factory::{CacheFactory, IdleWork, IsBusy, UploadTarget},
    files::{DirectoryEntry, EntryKind, Served, ServedDirectory, ServedFile},
    human::{HumanBytes, moment},
    keep_free::{DiskSpace, KeepFree},
    layered::Layered,
    may_block::{MayBlock, tasks_block_each_other, this_thread_may_block},
    pusher::Pusher,
    read::{BinaryCache, MAX_SAMPLE},
    record::{Freshness, NarOffer, PathRecord, Peek},
    roots::{
        AmountOf, ClosureGraph, DryRun, FreedByRoot, GoingPath, KeepReason, MissingPath, NewRoot,
        RootDocumentError, RootError, RootLifetime, RootPath, RootPattern, RootPatternError,
        RootRevision, RootRule, RootSizes, RootSummary, RootedCache, SetRoot, WhyKept,
        freed_by_roots, parse_revisions, write_revisions,
    },
    stats::{BackendStats, DiskRoom, ExposureStats, NarCacheStats, NotReady, RetentionStats},
    write::{NarUpload, PublishError, Published, VerifiedNar, WritableCache},
};
