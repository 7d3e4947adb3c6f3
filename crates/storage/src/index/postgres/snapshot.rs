//! The whole index as of one moment, on a connection of its own.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::Error;

use super::{collection, connections::ORDER_TIMEOUT};
use crate::index::{
    IndexError, IndexSnapshot, IndexedPathRow, NarRow, collection::SNAPSHOT_PAGE_ROWS,
};

/// A transaction that reads; its connection is closed with it.
pub(super) struct PostgresSnapshot {
    database: Arc<str>,
    client: Option<Object>,
}

impl PostgresSnapshot {
    /// Fixes the moment.
    pub(super) async fn begin(database: Arc<str>, client: Object) -> Result<Self, Error> {
        let snapshot = Self { database, client: Some(client) };
        if let Some(client) = &snapshot.client {
            // The first question fixes it.
            let begin =
                "begin isolation level repeatable read read only; select 1 from paths limit 1";
            client.batch_execute(begin).await?;
        }
        Ok(snapshot)
    }

    fn unavailable(&self, why: String) -> IndexError {
        IndexError::Unavailable { database: self.database.to_string(), why }
    }

    fn client(&self) -> Result<&Object, IndexError> {
        self.client.as_ref().ok_or_else(|| self.unavailable("the snapshot is over".to_owned()))
    }

    async fn page<T>(
        &self,
        read: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, IndexError> {
        match timeout(ORDER_TIMEOUT, read).await {
            Ok(Ok(page)) => Ok(page),
            Ok(Err(error)) => Err(self.unavailable(error.to_string())),
            Err(elapsed) => Err(self.unavailable(elapsed.to_string())),
        }
    }
}

impl Drop for PostgresSnapshot {
    /// It must not go back to the others in the middle of a transaction.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

#[async_trait]
impl IndexSnapshot for PostgresSnapshot {
    async fn paths(&mut self, after: i64) -> Result<Vec<IndexedPathRow>, IndexError> {
        let client = self.client()?;
        self.page(collection::paths(client, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn nars(&mut self, after: i64) -> Result<Vec<NarRow>, IndexError> {
        let client = self.client()?;
        self.page(collection::nars(client, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn edges(&mut self, after: (i64, i64)) -> Result<Vec<(i64, i64)>, IndexError> {
        let client = self.client()?;
        self.page(collection::edges(client, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn rooted(&mut self, after: (i64, i64)) -> Result<Vec<(i64, i64)>, IndexError> {
        let client = self.client()?;
        self.page(collection::rooted(client, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn root_names(&mut self, after: i64) -> Result<Vec<(i64, String)>, IndexError> {
        let client = self.client()?;
        self.page(collection::root_names(client, after, SNAPSHOT_PAGE_ROWS)).await
    }
}
