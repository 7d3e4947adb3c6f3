//! The roots of the index in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::Object;
use rns_cache::{RootRevision, RootSummary};
use rns_formats::{HashPart, RootName, StorePath};
use tokio::time::timeout;

use super::{
    MAX_ORDER_ATTEMPTS, ORDER_TIMEOUT, PostgresIndex, ask, can_be_repeated, retried, roots,
    transact,
};
use crate::index::{AbsentPath, IndexError, NewRevision, RootIndex};

#[async_trait]
impl RootIndex for PostgresIndex {
    async fn absent_of_closure(
        &self,
        paths: &[HashPart],
        limit: usize,
    ) -> Result<Vec<AbsentPath>, IndexError> {
        ask!(self, client => roots::absent_of_closure(&client, paths, limit))
    }

    async fn known_paths(&self, paths: &[HashPart]) -> Result<Vec<StorePath>, IndexError> {
        ask!(self, client => roots::known_paths(&client, paths))
    }

    async fn register_root(
        &self,
        root: &NewRevision<'_>,
        limit: usize,
    ) -> Result<Vec<AbsentPath>, IndexError> {
        transact!(self, transaction => roots::register_root(&transaction, root, limit))
    }

    async fn import_root(
        &self,
        name: &RootName,
        revisions: &[RootRevision],
    ) -> Result<(), IndexError> {
        transact!(self, transaction => roots::import_root(&transaction, name, revisions))
    }

    async fn retain_revisions(&self, name: &RootName, keep: &[u64]) -> Result<bool, IndexError> {
        ask!(self, client => roots::retain_revisions(&client, name, keep))
    }

    async fn roots(
        &self,
        after: Option<&RootName>,
        limit: usize,
        max_paths: usize,
    ) -> Result<Vec<RootSummary>, IndexError> {
        ask!(self, client => roots::roots(&client, after, limit, max_paths))
    }

    async fn root(&self, name: &RootName) -> Result<Vec<RootRevision>, IndexError> {
        ask!(self, client => roots::root(&client, name))
    }

    async fn expired_roots(&self, limit: usize) -> Result<Vec<RootName>, IndexError> {
        ask!(self, client => roots::expired_roots(&client, limit))
    }
}
