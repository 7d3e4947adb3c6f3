//! The whole index as of one moment, on a connection of its own: others write meanwhile.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::{collection, open_index::OpenIndex, schema};
use crate::index::{
    IndexError, IndexSnapshot, IndexedPathRow, NarRow, collection::SNAPSHOT_PAGE_ROWS,
};

pub(super) struct SqliteSnapshot {
    file: Arc<Path>,
    /// In a transaction that reads.
    open: Option<OpenIndex>,
}

impl SqliteSnapshot {
    pub(super) const fn new(file: Arc<Path>, open: OpenIndex) -> Self {
        Self { file, open: Some(open) }
    }

    async fn page<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IndexError> {
        let unavailable = |why: String| IndexError::Unavailable {
            database: self.file.display().to_string(),
            why,
        };
        let open =
            self.open.take().ok_or_else(|| unavailable("the snapshot is over".to_owned()))?;
        let read = spawn_blocking(move || (read(&open.connection), open)).await;
        let (page, open) = read.map_err(|error| unavailable(error.to_string()))?;
        let page = page.map_err(|error| schema::unavailable(&self.file, &error))?;
        self.open = Some(open);
        Ok(page)
    }
}

#[async_trait]
impl IndexSnapshot for SqliteSnapshot {
    async fn paths(&mut self, after: i64) -> Result<Vec<IndexedPathRow>, IndexError> {
        self.page(move |connection| collection::paths(connection, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn nars(&mut self, after: i64) -> Result<Vec<NarRow>, IndexError> {
        self.page(move |connection| collection::nars(connection, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn edges(&mut self, after: (i64, i64)) -> Result<Vec<(i64, i64)>, IndexError> {
        self.page(move |connection| collection::edges(connection, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn rooted(&mut self, after: (i64, i64)) -> Result<Vec<(i64, i64)>, IndexError> {
        self.page(move |connection| collection::rooted(connection, after, SNAPSHOT_PAGE_ROWS)).await
    }

    async fn root_names(&mut self, after: i64) -> Result<Vec<(i64, String)>, IndexError> {
        self.page(move |connection| collection::root_names(connection, after, SNAPSHOT_PAGE_ROWS))
            .await
    }
}
