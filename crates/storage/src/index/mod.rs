//! The index of a storage: which paths and NARs are there, their references, who pushed them, and when they were used.
//!
//! The storage is the truth about contents and can be read without an index; the index is the truth about paths that may be
//! collected. It can be rebuilt from the storage, apart from times of use.

mod collection;
mod collection_statements;
mod collection_types;
mod document_statements;
mod documents;
mod error;
mod own_storage;
pub mod postgres;
mod roots;
pub mod sqlite;
mod statements;
mod types;

use async_trait::async_trait;
use rns_cache::Pusher;
use rns_formats::HashPart;

pub use self::{
    collection::{Collection, IndexSnapshot},
    collection_types::{
        Claim, ClaimOutcome, Claimed, CollectionRecord, IndexedPath, IndexedPathRow, NarRow,
        Referrer, RemovalOrder, RowKind, StoredSince, Unused,
    },
    documents::{Begun, DocumentIndex, DocumentOwner, DocumentRow, ListedDocument, StoredDocument},
    error::IndexError,
    own_storage::IndexOwner,
    roots::{AbsentPath, NewRevision, RootIndex},
    types::{
        Deletion, Exclusive, ImportedPath, IndexLock, IndexedNar, NarState, NewPath, PathState,
        PublishRefusal, Push,
    },
};
use crate::objects::{ObjectKey, StorageName};

/// An index. All orders can be repeated; each is one transaction.
#[async_trait]
pub trait Index: RootIndex + Collection + DocumentIndex {
    /// The record of a stored NAR.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn nar(&self, key: &ObjectKey) -> Result<Option<IndexedNar>, IndexError>;

    /// Notes a NAR that was verified and stored. It is young from now on.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn put_nar(&self, key: &ObjectKey, nar: &IndexedNar) -> Result<(), IndexError>;

    /// The state of a NAR. `None`: the index does not know it.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn nar_state(&self, key: &ObjectKey) -> Result<Option<NarState>, IndexError>;

    /// A NAR is about to be stored under this name, and is young from now on; [`Self::put_nar`] follows, under the same lock.
    /// `false` while one of this name is being removed. An index whose locks cannot be lost notes no name that it does not know:
    /// the new file keeps it.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn begin_nar(&self, key: &ObjectKey) -> Result<bool, IndexError>;

    /// Notes a NAR that was verified and is about to be stored, under its lock, if the index does not know one of this name. Returns
    /// true if it was noted: [`Self::put_nar`] need not follow.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn enter_new_nar(&self, _: &ObjectKey, _: &IndexedNar) -> Result<bool, IndexError> {
        Ok(false)
    }

    /// As [`Self::begin_nar`] for a NAR that lies in the storage and is told to a pusher to be there: a promise, which survives a
    /// power loss.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn keep_nar(&self, key: &ObjectKey) -> Result<bool, IndexError>;

    /// Renews the grace of a NAR whose presence is told to a pusher. Whether it is there and stays for that grace.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn touch_nar(&self, key: &ObjectKey) -> Result<bool, IndexError>;

    /// Begins to publish a path, unless something that it needs is not there: from now on nothing of it is collected. Its
    /// narinfo is written after that, and [`Self::end_publish`] follows. `pusher` is noted before, so that also a
    /// publication that is cut off after its narinfo became visible is on record.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn begin_publish(
        &self,
        path: &NewPath,
        pusher: Option<&Pusher>,
    ) -> Result<Option<PublishRefusal>, IndexError>;

    /// The narinfo of the path is visible. `pusher` is noted for good, if this publication was new.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn end_publish(&self, hash: &HashPart, pusher: Option<&Pusher>)
    -> Result<(), IndexError>;

    /// Renews the grace of a path whose presence is told to a pusher. Whether it is there and stays for that grace.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn touch_path(&self, hash: &HashPart) -> Result<bool, IndexError>;

    /// In which state paths are, in the order of the question.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn states(&self, hashes: &[HashPart]) -> Result<Vec<Option<PathState>>, IndexError>;

    /// Notes that paths were read; a lost note makes a path look less used than it is.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn note_reads(&self, hashes: &[HashPart]) -> Result<(), IndexError>;

    /// Who published a path, the latest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn pushes(&self, hash: &HashPart) -> Result<Vec<Push>, IndexError>;

    /// Enters paths that lie in the storage already. Those that are indexed keep their times. Returns those that were not
    /// entered, since they or their NARs are being removed.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn import(&self, paths: &[ImportedPath]) -> Result<Vec<HashPart>, IndexError>;

    /// The paths that the index takes for published, in the order of their hash parts, after `after`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn published_after(
        &self,
        after: Option<&HashPart>,
        limit: usize,
    ) -> Result<Vec<(HashPart, ObjectKey)>, IndexError>;

    /// Takes a path, whose narinfo is gone, out of the index.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn forget_path(&self, hash: &HashPart) -> Result<(), IndexError>;

    /// Waits until no other server, and no command beside it, changes this.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn lock(&self, what: Exclusive<'_>) -> Result<IndexLock, IndexError>;

    /// The database, as it may be shown.
    fn database(&self) -> String;

    /// Notes that the storage of this index has this name, too.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn add_storage_name(&self, name: &StorageName) -> Result<(), IndexError>;

    /// Whether its database is on this machine, so that no order waits for a network.
    fn is_local(&self) -> bool {
        false
    }

    /// The lock, if its index is a local one and no one holds it. Never waits.
    fn try_lock(&self, _: Exclusive<'_>) -> Option<IndexLock> {
        None
    }

    /// Whether the database can be written now.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), IndexError>;
}
