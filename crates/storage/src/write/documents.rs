//! Listings, logs, realisations and debug information.
//!
//! Each is begun in the index before it is looked for or written: then no collector removes a document that a pusher was told of. One
//! server at a time changes one, and the index learns its owner before it is written.

use bytes::Bytes;
use rns_cache::{BinaryCache as _, CacheError, DebugInfo, PublishError};
use rns_formats::{
    BuildId, BuildTraceEntry, HashPart, LogName, MAX_DOCUMENT_BYTES, MAX_LISTING_BYTES,
    MAX_LOG_BYTES, NarListing, Realisation, Signature,
};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{
    document_owner::{archive_owner, owner_of},
    storage::{Storage, index_unavailable, not_stored},
};
use crate::{
    index::{Begun, DocumentOwner, NarState, PathState, StoredDocument},
    objects::ObjectKey,
    read::unavailable,
};

fn at_most(object: &ObjectKey, bytes: &Bytes, limit: u64) -> Result<(), PublishError> {
    if bytes.len() as u64 > limit {
        return Err(PublishError::TooLarge { object: object.to_string(), limit });
    }
    Ok(())
}

fn malformed(object: &ObjectKey, why: &dyn std::fmt::Display) -> PublishError {
    PublishError::Malformed { object: object.to_string(), why: why.to_string() }
}

impl Storage {
    async fn is_stored(&self, key: &ObjectKey) -> Result<bool, PublishError> {
        Ok(self.objects().head(key).await.map_err(unavailable)?.is_some())
    }

    async fn write_document(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), PublishError> {
        self.objects().write_small(key, bytes).await.map_err(not_stored)
    }

    /// Whether a document is there and stays for its grace, which is renewed: it is told to a pusher.
    ///
    /// # Errors
    /// When index or storage cannot be used.
    pub async fn promise_document(&self, key: &ObjectKey) -> Result<bool, CacheError> {
        let Some(owner) = owner_of(&self.reader, key).await else { return Ok(false) };
        // Debug information of a NAR that is not here is replaced by that of one that is.
        if matches!(owner, DocumentOwner::Nar(_)) && !has_nar(self, &owner).await? {
            return Ok(false);
        }
        let document = StoredDocument { key: key.clone(), owner };
        match self.index.begin_document(&document).await.map_err(index_unavailable)? {
            // It may have gone before it was kept.
            Begun::Young(_) => {
                Ok(self.objects().head(&document.key).await.map_err(unavailable)?.is_some())
            }
            Begun::Deleting => Ok(false),
        }
    }

    /// Corrects the owner that is on record, where the stored document, or the one that is about to be stored, has another one.
    async fn settle(
        &self,
        document: &StoredDocument,
        known: &DocumentOwner,
    ) -> Result<(), PublishError> {
        if *known == document.owner {
            return Ok(());
        }
        Ok(self.index.settle_document(document).await.map_err(index_unavailable)?)
    }
}

/// Writes a listing. That of a path that is here stays: another pusher cannot change the description of a path.
pub(super) async fn put_listing(
    storage: &Storage,
    hash: HashPart,
    json: Bytes,
) -> Result<(), PublishError> {
    let key = ObjectKey::listing(&hash);
    at_most(&key, &json, MAX_LISTING_BYTES)?;
    let text = json.clone();
    let parsed = spawn_blocking(move || NarListing::parse(&text).map(|_| ())).await;
    parsed
        .map_err(|_| PublishError::from(CacheError::ShuttingDown))?
        .map_err(|error| malformed(&key, &error))?;
    loop {
        // The remover of a listing, with its path or without, holds the lock.
        let lock = storage.lock_path(&hash).await.map_err(index_unavailable)?;
        if storage.index.touch_path(&hash).await.map_err(index_unavailable)?
            && storage.is_stored(&key).await?
        {
            return Ok(());
        }
        let states = storage.index.states(&[hash]).await.map_err(index_unavailable)?;
        if states.first() != Some(&Some(PathState::Deleting)) {
            return storage.write_document(&key, json).await;
        }
        drop(lock);
        storage.await_removal(&hash).await?;
    }
}

pub(super) async fn put_log(
    storage: &Storage,
    name: &LogName,
    text: Bytes,
    built: Option<&HashPart>,
) -> Result<(), PublishError> {
    // The first reading of the name uses up the query, as clients mean it.
    let Some(derivation) = name.candidates().next() else {
        return Err(PublishError::Malformed {
            object: "the log".to_owned(),
            why: "it is of no derivation".to_owned(),
        });
    };
    let key = ObjectKey::log(derivation);
    at_most(&key, &text, MAX_LOG_BYTES)?;
    let document = StoredDocument { key, owner: DocumentOwner::Derivation(derivation.clone()) };
    let (_lock, _) = storage.begin_document(&document).await?;
    if let Some(path) = built {
        storage.index.note_built(&document.key, path).await.map_err(index_unavailable)?;
    }
    // The first one stays.
    if storage.is_stored(&document.key).await? {
        return Ok(());
    }
    storage.write_document(&document.key, text).await
}

pub(super) async fn put_realisation(
    storage: &Storage,
    realisation: &Realisation,
) -> Result<(), PublishError> {
    let key = ObjectKey::realisation(&realisation.id);
    let owner = DocumentOwner::Path(realisation.out_path.hash_part());
    let document = StoredDocument { key, owner };
    let (_lock, known) = storage.begin_document(&document).await?;
    let mut new = realisation.clone();
    if let Some(stored) = storage.reader.realisation(&realisation.id).await? {
        if stored.out_path != realisation.out_path {
            let owner = DocumentOwner::Path(stored.out_path.hash_part());
            storage.settle(&StoredDocument { owner, ..document.clone() }, &known).await?;
            return Err(PublishError::Conflict { object: document.key.to_string() });
        }
        new.signatures = merged(stored.signatures, new.signatures);
    }
    let json = Bytes::from(new.to_json());
    at_most(&document.key, &json, MAX_DOCUMENT_BYTES)?;
    // Before it is written: one that is cut off after that has its owner.
    storage.settle(&document, &known).await?;
    storage.write_document(&document.key, json).await
}

pub(super) async fn put_build_trace(
    storage: &Storage,
    entry: &BuildTraceEntry,
) -> Result<(), PublishError> {
    let output = entry.output_name.as_str();
    let key = ObjectKey::build_trace(&entry.drv_path, output);
    let document = StoredDocument { key, owner: DocumentOwner::Path(entry.out_path.hash_part()) };
    let (_lock, known) = storage.begin_document(&document).await?;
    let mut new = entry.clone();
    if let Some(stored) = storage.reader.build_trace(&entry.drv_path, output).await? {
        if stored.out_path != entry.out_path {
            let owner = DocumentOwner::Path(stored.out_path.hash_part());
            storage.settle(&StoredDocument { owner, ..document.clone() }, &known).await?;
            return Err(PublishError::Conflict { object: document.key.to_string() });
        }
        new.signatures = merged(stored.signatures, new.signatures);
    }
    let json = Bytes::from(new.to_json());
    at_most(&document.key, &json, MAX_DOCUMENT_BYTES)?;
    // Before it is written: one that is cut off after that has its owner.
    storage.settle(&document, &known).await?;
    storage.write_document(&document.key, json).await
}

fn merged(mut stored: Vec<Signature>, new: Vec<Signature>) -> Vec<Signature> {
    for signature in new {
        if !stored.contains(&signature) {
            stored.push(signature);
        }
    }
    stored
}

/// Writes debug information. The first one stays while the NAR that it names is here.
pub(super) async fn put_debug_info(
    storage: &Storage,
    id: &BuildId,
    info: &DebugInfo,
) -> Result<(), PublishError> {
    let key = ObjectKey::debug_info(id);
    let owner = archive_owner(&info.archive);
    if owner == DocumentOwner::Nothing {
        return Err(malformed(&key, &"its archive is no NAR of this cache"));
    }
    let is_inside = !info.member.starts_with('/')
        && info.member.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_inside {
        return Err(malformed(&key, &"its member is no name inside an archive"));
    }
    let json = json!({ "archive": info.archive, "member": info.member }).to_string();
    let json = Bytes::from(json);
    at_most(&key, &json, MAX_DOCUMENT_BYTES)?;
    let document = StoredDocument { key, owner };
    let (_lock, known) = storage.begin_document(&document).await?;
    if let Some(owner) = stored_owner(storage, id).await? {
        let stored = StoredDocument { owner, ..document.clone() };
        if has_nar(storage, &stored.owner).await? {
            return storage.settle(&stored, &known).await;
        }
    }
    // Before it is written: one that is cut off after that has its owner.
    storage.settle(&document, &known).await?;
    storage.write_document(&document.key, json).await
}

/// The owner of the debug information that is stored. One that cannot be read has none.
async fn stored_owner(
    storage: &Storage,
    id: &BuildId,
) -> Result<Option<DocumentOwner>, PublishError> {
    match storage.reader.debug_info(id).await {
        Ok(stored) => Ok(stored.map(|stored| archive_owner(&stored.archive))),
        Err(CacheError::Invalid { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the NAR that owns a document is here.
async fn has_nar(storage: &Storage, owner: &DocumentOwner) -> Result<bool, CacheError> {
    let DocumentOwner::Nar(key) = owner else { return Ok(false) };
    let state = storage.index.nar_state(key).await.map_err(index_unavailable)?;
    Ok(matches!(state, Some(NarState::Live | NarState::Condemned)))
}
