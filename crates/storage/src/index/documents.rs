//! Documents beside paths: the ones that an index knows, and the owner of each.
//!
//! An index knows a document since it was pushed, or since a collector found it in the storage. `docs/decisions/0014-collection.md`
//! has the rules by which they go.

use std::time::SystemTime;

use async_trait::async_trait;
use rns_formats::{HashPart, StorePath};

use super::IndexError;
use crate::objects::ObjectKey;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its object.
    pub key: ObjectKey,
    /// Its owner.
    pub owner: DocumentOwner,
}

/// The owner of a document, which stays as long as its owner is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentOwner {
    /// A build log: this derivation, and every path that it made, by the narinfos of paths or by the log's pusher.
    Derivation(StorePath),
    /// A realisation, or an entry of a build trace: the path that it names.
    Path(HashPart),
    /// Debug information: the NAR that it names.
    Nar(ObjectKey),
    /// It names nothing that could be here.
    Nothing,
}

/// Whether a document may be stored now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is young from now on. The index has this owner on record.
    Young(DocumentOwner),
    /// It is just being removed.
    Deleting,
}

/// A document, as a collector sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its row.
    pub id: i64,
    /// Its object.
    pub key: ObjectKey,
    /// When it was pushed or found, in seconds since 1970.
    pub touched: i64,
    /// Whether the index knows its owner, or cannot tell.
    pub is_needed: bool,
}

/// A document, of which nothing is asked that takes time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDocument {
    /// Its row.
    pub id: i64,
    /// Its object.
    pub key: ObjectKey,
    /// When it was pushed or found, in seconds since 1970.
    pub touched: i64,
}

/// The documents of an index. All orders can be repeated; each is one transaction. They are claimed and removed as paths are.
#[async_trait]
pub trait DocumentIndex: Send + Sync {
    /// A document is about to be stored, or its presence is told to a pusher: it is young from now on.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn begin_document(&self, document: &StoredDocument) -> Result<Begun, IndexError>;

    /// Notes the owner of a document that was just stored.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn settle_document(&self, document: &StoredDocument) -> Result<(), IndexError>;

    /// Notes a path that the build of a log made, as its pusher says: the narinfo of the path may name another derivation. One
    /// that is noted stays while it is there.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn note_built(&self, key: &ObjectKey, path: &HashPart) -> Result<(), IndexError>;

    /// Which of these documents are known, in the order of the question.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn known_documents(&self, keys: &[ObjectKey]) -> Result<Vec<bool>, IndexError>;

    /// Enters documents that lie in the storage, with the times at which they were written. Those that are known stay as they are.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn enter_documents(
        &self,
        documents: &[(StoredDocument, SystemTime)],
    ) -> Result<(), IndexError>;

    /// The documents after this row, in the order of their rows, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn documents(&self, after: i64, limit: usize) -> Result<Vec<DocumentRow>, IndexError>;

    /// The same rows without a look for owners, which takes most of the time.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn list_documents(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, IndexError>;

    /// The rows of paths that the documents with rows from `first` to `last` belong to, as pairs; `None` for a NAR that no path has.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn document_owners(
        &self,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, Option<i64>)>, IndexError>;

    /// Paths that were indexed before derivers were noted, at most `limit`. While there are any, no log is known to be without a path.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn paths_without_deriver(&self, limit: usize) -> Result<Vec<HashPart>, IndexError>;

    /// Notes the derivations that made paths, where none is on record.
    ///
    /// # Errors
    /// When the database cannot be written.
    async fn note_derivers(
        &self,
        derivers: &[(HashPart, Option<StorePath>)],
    ) -> Result<(), IndexError>;
}

impl DocumentOwner {
    /// The number of its kind, as databases hold it.
    pub(super) const fn number(&self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Derivation(_) => 1,
            Self::Path(_) => 2,
            Self::Nar(_) => 3,
        }
    }

    /// Its name, as databases hold it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Derivation(derivation) => derivation.as_str().to_owned(),
            Self::Path(hash) => hash.to_string(),
            Self::Nar(key) => key.as_str().to_owned(),
        }
    }

    /// The owner in a database.
    pub(super) fn of_row(number: i64, name: &str) -> Self {
        let owner = match number {
            1 => StorePath::parse(name).ok().map(Self::Derivation),
            2 => HashPart::parse(name).ok().map(Self::Path),
            3 => Some(Self::Nar(ObjectKey::listed(name))),
            _ => None,
        };
        owner.unwrap_or(Self::Nothing)
    }
}
