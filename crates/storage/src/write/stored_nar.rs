//! NARs that lie in the storage and that the index does not know as verified: read once, before anything that is pushed counts
//! on them.

use std::{sync::Arc, time::Instant};

use rns_cache::{CacheError, PublishError};
use rns_formats::NarName;
use rns_verify::NarRejection;

use super::{
    direct,
    storage::{Storage, index_unavailable, not_stored},
};
use crate::{index::IndexedNar, objects::ObjectKey, verify::check_stored};

impl Storage {
    /// The record of the NAR at this name, verified: by its upload, or now, where it lay there before. That goes on when the
    /// client that waits for it leaves: it asks again, and finds it done.
    ///
    /// # Errors
    /// When it is no canonical NAR, or cannot be read.
    pub async fn verified_nar(&self, name: &NarName) -> Result<Option<IndexedNar>, PublishError> {
        let key = ObjectKey::nar(name);
        if let Some(known) = self.index.nar(&key).await.map_err(index_unavailable)? {
            return Ok(Some(known));
        }
        // A request that waits for the reader of the same NAR takes no permit, and ends with its client.
        let asked = Instant::now();
        let turn = self.intakes.turn(&key).lock_owned().await;
        if let Some(known) = self.index.nar(&key).await.map_err(index_unavailable)? {
            return Ok(Some(known));
        }
        if self.wrong_nars.was_found_after(&key, asked) {
            return Err(wrong(&key, "it was just read"));
        }
        let place = Arc::clone(&self.stored_reads).acquire_owned().await;
        let place = place.map_err(|_| CacheError::ShuttingDown)?;
        let (storage, name) = (self.clone(), *name);
        let task = tokio::spawn(async move {
            let _held = (turn, place);
            match storage.verify_stored(&name, &key).await? {
                Some(nar) => Ok(Some(nar)),
                None => direct::take_in(&storage, &name).await,
            }
        });
        task.await.map_err(|_| CacheError::ShuttingDown)?
    }

    async fn verify_stored(
        &self,
        name: &NarName,
        key: &ObjectKey,
    ) -> Result<Option<IndexedNar>, PublishError> {
        let limit = self.limits.max_nar_size;
        let checked =
            check_stored(self.objects(), key, name.compression, limit, &self.decoder_memory).await;
        let Some(check) = checked.map_err(not_stored)? else { return Ok(None) };
        let check = check.map_err(|rejection| match rejection {
            NarRejection::FileHash { .. }
            | NarRejection::Decompression(_)
            | NarRejection::NotCanonical(_) => {
                self.wrong_nars.add(key);
                wrong(key, &rejection.to_string())
            }
            NarRejection::TooLarge { limit } => {
                PublishError::TooLarge { object: key.to_string(), limit }
            }
            NarRejection::Unsupported(_) | NarRejection::Input(_) => {
                PublishError::Malformed { object: key.to_string(), why: rejection.to_string() }
            }
        })?;
        let nar = IndexedNar::from(check.verified());
        let _lock = self.begin_nar_at(key).await?;
        // It may have been removed while it was read.
        if self.objects().head(key).await.map_err(not_stored)?.is_none() {
            return Ok(None);
        }
        self.index.put_nar(key, &nar).await.map_err(index_unavailable)?;
        Ok(Some(nar))
    }
}

/// The refusal of a narinfo whose NAR is wrong where it lies.
fn wrong(key: &ObjectKey, why: &str) -> PublishError {
    let why = format!("the file that lies here is wrong, send it again: {why}");
    PublishError::Malformed { object: key.to_string(), why }
}
