//! Documents of a storage that its index does not know: entered, so that a dry run counts them.

use futures_util::TryStreamExt as _;

use super::MaintenanceError;
use crate::{
    collect::{DocumentKind, enter_documents},
    write::Storage,
};

/// Documents that are entered by one transaction.
const BATCH_SIZE: usize = 256;

/// The folders of documents.
const FOLDERS: [&str; 4] = ["log", "realisations", "build-trace-v2", "debuginfo"];

/// Enters the documents of a storage that its index does not know. Nothing else changes.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn find_documents(storage: &Storage) -> Result<(), MaintenanceError> {
    for folder in FOLDERS {
        let mut listed = storage.reader().objects().list(Some(folder));
        let mut found = Vec::with_capacity(BATCH_SIZE);
        while let Some((key, info)) = listed.try_next().await? {
            if DocumentKind::of(&key).is_some() {
                found.push((key, info.modified));
            }
            if found.len() == BATCH_SIZE {
                enter_documents(storage, std::mem::take(&mut found)).await?;
            }
        }
        enter_documents(storage, found).await?;
    }
    Ok(())
}
