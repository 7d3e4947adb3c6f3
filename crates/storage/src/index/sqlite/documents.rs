//! The documents of the index in a SQLite file.

use std::time::SystemTime;

use async_trait::async_trait;
use rns_formats::{HashPart, StorePath};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{SqliteIndex, claims::sql};
use crate::{
    index::{
        Begun, DocumentIndex, DocumentOwner, DocumentRow, IndexError, ListedDocument,
        StoredDocument, document_statements as statements,
        types::{now, row_limit, seconds},
    },
    objects::ObjectKey,
};

#[async_trait]
impl DocumentIndex for SqliteIndex {
    async fn begin_document(&self, document: &StoredDocument) -> Result<Begun, IndexError> {
        let document = document.clone();
        self.transact(move |connection| begin(connection, &document)).await
    }

    async fn settle_document(&self, document: &StoredDocument) -> Result<(), IndexError> {
        let StoredDocument { key, owner } = document.clone();
        self.transact(move |connection| {
            let mut statement = connection.prepare_cached(statements::SETTLE_DOCUMENT)?;
            statement.execute(params![key.as_str(), owner.number(), owner.name()])?;
            Ok(())
        })
        .await
    }

    async fn note_built(&self, key: &ObjectKey, path: &HashPart) -> Result<(), IndexError> {
        let (key, path) = (key.clone(), path.to_string());
        self.transact(move |connection| {
            let mut statement = connection.prepare_cached(&sql(statements::NOTE_BUILT))?;
            statement.execute(params![key.as_str(), path])?;
            Ok(())
        })
        .await
    }

    async fn known_documents(&self, keys: &[ObjectKey]) -> Result<Vec<bool>, IndexError> {
        let keys = keys.to_vec();
        self.run(move |connection| {
            let mut statement =
                connection.prepare_cached("select 1 from documents where key = ?1")?;
            keys.iter().map(|key| statement.exists([key.as_str()])).collect()
        })
        .await
    }

    async fn enter_documents(
        &self,
        documents: &[(StoredDocument, SystemTime)],
    ) -> Result<(), IndexError> {
        let documents = documents.to_vec();
        self.transact(move |connection| {
            let mut statement = connection.prepare_cached(statements::ENTER_DOCUMENT)?;
            for (StoredDocument { key, owner }, modified) in &documents {
                let at = seconds(*modified);
                statement.execute(params![key.as_str(), owner.number(), owner.name(), at])?;
            }
            Ok(())
        })
        .await
    }

    async fn documents(&self, after: i64, limit: usize) -> Result<Vec<DocumentRow>, IndexError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(&sql(statements::DOCUMENTS))?;
            let found = statement.query_map([after, row_limit(limit)], document)?;
            found.collect()
        })
        .await
    }

    async fn list_documents(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, IndexError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(statements::LIST_DOCUMENTS)?;
            let found = statement.query_map([after, row_limit(limit)], |row| {
                let key = ObjectKey::listed(&row.get::<_, String>(1)?);
                Ok(ListedDocument { id: row.get(0)?, key, touched: row.get(2)? })
            })?;
            found.collect()
        })
        .await
    }

    async fn document_owners(
        &self,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, Option<i64>)>, IndexError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(&sql(statements::DOCUMENT_OWNERS))?;
            let found = statement.query_map([first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect()
        })
        .await
    }

    async fn paths_without_deriver(&self, limit: usize) -> Result<Vec<HashPart>, IndexError> {
        let found: Vec<String> = self
            .run(move |connection| {
                let mut statement = connection.prepare_cached(statements::PATHS_WITHOUT_DERIVER)?;
                let found = statement.query_map([row_limit(limit)], |row| row.get(0))?;
                found.collect()
            })
            .await?;
        Ok(found.iter().filter_map(|hash| HashPart::parse(hash).ok()).collect())
    }

    async fn note_derivers(
        &self,
        derivers: &[(HashPart, Option<StorePath>)],
    ) -> Result<(), IndexError> {
        let derivers = derivers.to_vec();
        self.transact(move |connection| {
            let mut statement = connection.prepare_cached(statements::NOTE_DERIVER)?;
            for (hash, deriver) in &derivers {
                let deriver = deriver.as_ref().map_or("", |deriver| deriver.as_str());
                statement.execute(params![hash.to_string(), deriver])?;
            }
            Ok(())
        })
        .await
    }
}

fn begin(
    connection: &Connection,
    StoredDocument { key, owner }: &StoredDocument,
) -> rusqlite::Result<Begun> {
    let mut statement = connection.prepare_cached(&sql(statements::BEGIN_DOCUMENT))?;
    let known = statement
        .query_row(params![key.as_str(), owner.number(), owner.name(), now()], |row| {
            Ok(DocumentOwner::of_row(row.get(0)?, &row.get::<_, String>(1)?))
        })
        .optional()?;
    Ok(known.map_or(Begun::Deleting, Begun::Young))
}

fn document(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        id: row.get(0)?,
        key: ObjectKey::listed(&row.get::<_, String>(1)?),
        touched: row.get(2)?,
        is_needed: row.get::<_, i64>(3)? != 0,
    })
}
