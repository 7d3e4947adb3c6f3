//! Documents of a storage that its index does not know.

use std::pin::pin;

use futures_util::TryStreamExt as _;

use super::MaintenanceError;
use crate::{
    collect::{DocumentKind, enter_documents},
    write::Storage,
};

/// Documents that are entered by one transaction.
const INDEXED_DOCUMENTS_BATCH: usize = 256;

/// The folders of documents.
const FOLDERS: [&str; 4] = ["log", "realisations", "build-trace-v2", "debuginfo"];

/// Enters the documents of a storage that its index does not know. Nothing else changes.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn find_documents(storage: &Storage) -> Result<(), MaintenanceError> {
    for folder in FOLDERS {
        let mut listed = storage.reader().objects().list(Some(folder));
        let mut found = Vec::with_capacity(INDEXED_DOCUMENTS_BATCH);
        while let Some((key, info)) = listed.try_next().await? {
            if DocumentKind::of(&key).is_some() {
                found.push((key, info.modified));
            }
            if found.len() == INDEXED_DOCUMENTS_BATCH {
                enter_documents(storage, std::mem::take(&mut found)).await?;
            }
        }
        enter_documents(storage, found).await?;
    }
    Ok(())
}

/// Counts the documents of a storage that its index does not know. Nothing changes.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn unknown_documents(storage: &Storage) -> Result<u64, MaintenanceError> {
    let mut unknown = 0;
    for folder in FOLDERS {
        let listed = storage.reader().objects().list(Some(folder));
        let documents = listed.try_filter_map(|(key, _)| async {
            Ok(DocumentKind::of(&key).is_some().then_some(key))
        });
        let mut batches = pin!(documents.try_chunks(INDEXED_DOCUMENTS_BATCH));
        while let Some(keys) = batches.try_next().await.map_err(|error| error.1)? {
            let known = storage.index().known_documents(&keys).await?;
            unknown += known.into_iter().filter(|known| !known).count() as u64;
        }
    }
    Ok(unknown)
}
