//! The storage that an index must be of.

use rns_formats::HashPart;

use super::IndexError;
use crate::objects::{ObjectKey, Objects, StorageName};

/// Published paths that are looked for in a storage, to see that an index without a name is of it: some may have been lost.
pub(super) const TRIED_PATHS: usize = 8;

/// The storage that an index must be of.
#[derive(Clone, Copy)]
pub enum IndexOwner<'a> {
    /// Any.
    Any,
    /// This one. An index that is of none yet is of this one from now on, unless it has paths, and the storage has none of those
    /// that are tried.
    This(&'a Objects),
    /// This one, for one that only looks: an index that is of none yet stays so.
    ThisOrNone(&'a Objects),
}

/// The storage that an index must be of, as its name says it.
#[derive(Clone)]
pub(super) struct OwnStorage {
    objects: Objects,
    name: StorageName,
    /// Whether an index that is of no storage yet becomes that of this one.
    claims: bool,
}

impl OwnStorage {
    /// `None`: any will do. A storage in memory has no name.
    pub(super) fn of(owner: IndexOwner<'_>) -> Option<Self> {
        let (objects, claims) = match owner {
            IndexOwner::Any => return None,
            IndexOwner::This(objects) => (objects, true),
            IndexOwner::ThisOrNone(objects) => (objects, false),
        };
        Some(Self { objects: objects.clone(), name: objects.storage_name()?.clone(), claims })
    }

    pub(super) const fn claims(&self) -> bool {
        self.claims
    }

    pub(super) const fn name(&self) -> &StorageName {
        &self.name
    }

    /// Refuses an index whose storage has these names, unless one of them is that of this one.
    pub(super) fn check_names(&self, found: &[String], database: &str) -> Result<(), IndexError> {
        if found.iter().any(|name| name == self.name.as_str()) {
            return Ok(());
        }
        Err(self.refusal(database, found.join(" and ")))
    }

    /// Refuses an index without a name that has published paths, when none of these is in this storage: a command with a
    /// mistyped URL must not make it the index of another one.
    pub(super) async fn check_paths(
        &self,
        published: &[(HashPart, ObjectKey)],
        database: &str,
    ) -> Result<(), IndexError> {
        if published.is_empty() {
            return Ok(());
        }
        for (hash, _) in published {
            let found = self.objects.head(&ObjectKey::narinfo(hash)).await;
            let found = found.map_err(|error| IndexError::Unavailable {
                database: database.to_owned(),
                why: format!("the storage does not say that its paths are there: {error}"),
            })?;
            if found.is_some() {
                return Ok(());
            }
        }
        Err(self.refusal(database, "a storage with other paths".to_owned()))
    }

    fn refusal(&self, database: &str, found: String) -> IndexError {
        let wanted = self.name.to_string();
        IndexError::OtherStorage { database: database.to_owned(), found, wanted }
    }
}
