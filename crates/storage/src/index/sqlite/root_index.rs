//! The roots of the index in a SQLite file.

use async_trait::async_trait;
use rns_cache::{RootRevision, RootSummary};
use rns_formats::{HashPart, RootName, StorePath};

use super::{SqliteIndex, roots};
use crate::index::{AbsentPath, IndexError, NewRevision, RootIndex};

#[async_trait]
impl RootIndex for SqliteIndex {
    async fn absent_of_closure(
        &self,
        paths: &[HashPart],
        limit: usize,
    ) -> Result<Vec<AbsentPath>, IndexError> {
        let paths = paths.to_vec();
        self.run(move |connection| roots::absent_of_closure(connection, &paths, limit)).await
    }

    async fn known_paths(&self, paths: &[HashPart]) -> Result<Vec<StorePath>, IndexError> {
        let paths = paths.to_vec();
        self.run(move |connection| roots::known_paths(connection, &paths)).await
    }

    async fn register_root(
        &self,
        root: &NewRevision<'_>,
        limit: usize,
    ) -> Result<Vec<AbsentPath>, IndexError> {
        let (name, revision) = (root.name.clone(), root.revision.clone());
        let (elsewhere, keep) = (root.elsewhere.clone(), root.keep.to_vec());
        self.transact(move |connection| {
            let root = NewRevision {
                name: &name,
                revision: &revision,
                elsewhere: &elsewhere,
                keep: &keep,
            };
            roots::register_root(connection, &root, limit)
        })
        .await
    }

    async fn import_root(
        &self,
        name: &RootName,
        revisions: &[RootRevision],
    ) -> Result<(), IndexError> {
        let (name, revisions) = (name.clone(), revisions.to_vec());
        self.transact(move |connection| roots::import_root(connection, &name, &revisions)).await
    }

    async fn retain_revisions(&self, name: &RootName, keep: &[u64]) -> Result<bool, IndexError> {
        let (name, keep) = (name.clone(), keep.to_vec());
        self.transact(move |connection| roots::retain_revisions(connection, &name, &keep)).await
    }

    async fn roots(
        &self,
        after: Option<&RootName>,
        limit: usize,
        max_paths: usize,
    ) -> Result<Vec<RootSummary>, IndexError> {
        let after = after.cloned();
        self.run(move |connection| roots::roots(connection, after.as_ref(), limit, max_paths)).await
    }

    async fn root(&self, name: &RootName) -> Result<Vec<RootRevision>, IndexError> {
        let name = name.clone();
        self.run(move |connection| roots::root(connection, &name)).await
    }

    async fn expired_roots(&self, limit: usize) -> Result<Vec<RootName>, IndexError> {
        self.run(move |connection| roots::expired_roots(connection, limit)).await
    }
}
