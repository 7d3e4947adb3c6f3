//! The documents of the index in PostgreSQL.

use std::{collections::HashSet, time::SystemTime};

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use rns_formats::{HashPart, StorePath};
use tokio::time::timeout;
use tokio_postgres::{Error, Row};

use super::{
    MAX_ORDER_ATTEMPTS, ORDER_TIMEOUT, PostgresIndex, ask, can_be_repeated,
    claims::{execute, query},
    retried, transact,
};
use crate::{
    index::{
        Begun, DocumentIndex, DocumentOwner, DocumentRow, IndexError, ListedDocument,
        StoredDocument, document_statements as statements,
        types::{now, row_limit, seconds},
    },
    objects::ObjectKey,
};

#[async_trait]
impl DocumentIndex for PostgresIndex {
    async fn begin_document(&self, document: &StoredDocument) -> Result<Begun, IndexError> {
        ask!(self, client => begin(&client, document))
    }

    async fn settle_document(&self, document: &StoredDocument) -> Result<(), IndexError> {
        let (number, name) = (document.owner.number(), document.owner.name());
        let key = document.key.as_str();
        ask!(self, client => async {
            execute(&client, statements::SETTLE_DOCUMENT, &[&key, &number, &name]).await.map(|_| ())
        })
    }

    async fn note_built(&self, key: &ObjectKey, path: &HashPart) -> Result<(), IndexError> {
        let (key, path) = (key.as_str(), path.to_string());
        ask!(self, client => async {
            execute(&client, statements::NOTE_BUILT, &[&key, &path]).await.map(|_| ())
        })
    }

    async fn known_documents(&self, keys: &[ObjectKey]) -> Result<Vec<bool>, IndexError> {
        let names: Vec<&str> = keys.iter().map(ObjectKey::as_str).collect();
        let found = ask!(self, client => async {
            query(&client, "select key from documents where key = any(?1)", &[&names]).await
        })?;
        let known: HashSet<&str> = found.iter().map(|row| row.get(0)).collect();
        Ok(names.iter().map(|name| known.contains(name)).collect())
    }

    async fn enter_documents(
        &self,
        documents: &[(StoredDocument, SystemTime)],
    ) -> Result<(), IndexError> {
        transact!(self, transaction => enter(&transaction, documents))
    }

    async fn documents(&self, after: i64, limit: usize) -> Result<Vec<DocumentRow>, IndexError> {
        let found = ask!(self, client => async {
            query(&client, statements::DOCUMENTS, &[&after, &row_limit(limit)]).await
        })?;
        Ok(found.iter().map(document).collect())
    }

    async fn list_documents(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, IndexError> {
        let found = ask!(self, client => async {
            query(&client, statements::LIST_DOCUMENTS, &[&after, &row_limit(limit)]).await
        })?;
        let listed = |row: &Row| ListedDocument {
            id: row.get(0),
            key: ObjectKey::listed(row.get(1)),
            touched: row.get(2),
        };
        Ok(found.iter().map(listed).collect())
    }

    async fn document_owners(
        &self,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, Option<i64>)>, IndexError> {
        let found = ask!(self, client => async {
            query(&client, statements::DOCUMENT_OWNERS, &[&first, &last]).await
        })?;
        Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn paths_without_deriver(&self, limit: usize) -> Result<Vec<HashPart>, IndexError> {
        let found = ask!(self, client => async {
            query(&client, statements::PATHS_WITHOUT_DERIVER, &[&row_limit(limit)]).await
        })?;
        Ok(found.iter().filter_map(|row| HashPart::parse(row.get(0)).ok()).collect())
    }

    async fn note_derivers(
        &self,
        derivers: &[(HashPart, Option<StorePath>)],
    ) -> Result<(), IndexError> {
        // Rows are locked in the order of their hash parts, as everywhere.
        let mut derivers = derivers.to_vec();
        derivers.sort_unstable();
        transact!(self, transaction => note_derivers(&transaction, &derivers))
    }
}

async fn begin(
    client: &impl GenericClient,
    StoredDocument { key, owner }: &StoredDocument,
) -> Result<Begun, Error> {
    let (number, name) = (owner.number(), owner.name());
    let known =
        query(client, statements::BEGIN_DOCUMENT, &[&key.as_str(), &number, &name, &now()]).await?;
    let owner = known.first().map(|row| DocumentOwner::of_row(row.get(0), row.get(1)));
    Ok(owner.map_or(Begun::Deleting, Begun::Young))
}

async fn enter(
    client: &impl GenericClient,
    documents: &[(StoredDocument, SystemTime)],
) -> Result<(), Error> {
    for (StoredDocument { key, owner }, modified) in documents {
        let (number, name, at) = (owner.number(), owner.name(), seconds(*modified));
        execute(client, statements::ENTER_DOCUMENT, &[&key.as_str(), &number, &name, &at]).await?;
    }
    Ok(())
}

async fn note_derivers(
    client: &impl GenericClient,
    derivers: &[(HashPart, Option<StorePath>)],
) -> Result<(), Error> {
    for (hash, deriver) in derivers {
        let deriver = deriver.as_ref().map_or("", |deriver| deriver.as_str());
        execute(client, statements::NOTE_DERIVER, &[&hash.to_string(), &deriver]).await?;
    }
    Ok(())
}

fn document(row: &Row) -> DocumentRow {
    DocumentRow {
        id: row.get(0),
        key: ObjectKey::listed(row.get(1)),
        touched: row.get(2),
        is_needed: row.get::<_, i64>(3) != 0,
    }
}
