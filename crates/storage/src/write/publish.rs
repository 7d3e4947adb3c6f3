//! Making a path visible: last, at once, and only when everything that it needs is there.

use std::{pin::pin, time::SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rns_cache::{CacheError, PublishError, Published, Pusher};
use rns_formats::{HashPart, MAX_NARINFO_BYTES, NarInfo, NarName, StorePath};
use rns_verify::narinfo::{agree, name_in_url, new_signatures, uploaded_nar};

use super::{
    content_address,
    storage::{Storage, index_unavailable, not_stored},
};
use crate::{
    index::{Exclusive, ImportedPath, IndexLock, IndexedNar, NewPath, PathState, PublishRefusal},
    objects::ObjectKey,
    read::unavailable,
};

/// References that are looked for at the same time.
const MAX_REFERENCE_QUESTIONS: usize = 16;

/// References that are not there, after which no more are looked for.
const MAX_MISSING: usize = 64;

impl Storage {
    /// The narinfo as it is stored at this moment. One that cannot be read counts as none: it is written anew.
    pub(super) async fn stored(&self, hash: &HashPart) -> Result<Option<NarInfo>, CacheError> {
        self.reader.forget(hash);
        match self.reader.narinfo(*hash).await {
            Ok(stored) => Ok(stored.map(|stored| stored.narinfo.clone())),
            Err(CacheError::Invalid { object, why }) => {
                tracing::warn!("{object} is not usable and is replaced: {why}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a path lies in the storage and stays for its grace, which is renewed.
    pub(super) async fn keeps(&self, hash: &HashPart) -> Result<bool, CacheError> {
        if self.index.touch_path(hash).await.map_err(index_unavailable)? {
            return Ok(true);
        }
        let states = self.index.states(&[*hash]).await.map_err(index_unavailable)?;
        match states.first().copied().flatten() {
            // Its narinfo is about to go: the next publication takes its place.
            Some(PathState::Deleting) => Ok(false),
            // A publication that was cut off between narinfo and index, or a path that lay there before.
            _ => self.enter_stored(hash).await,
        }
    }

    /// Enters a path into the index that lies in the storage, where the index does not take it for published.
    pub(super) async fn enter_unknown(&self, hash: &HashPart) -> Result<(), CacheError> {
        let states = self.index.states(&[*hash]).await.map_err(index_unavailable)?;
        match states.first().copied().flatten() {
            None | Some(PathState::Elsewhere | PathState::Publishing) => {
                self.enter_stored(hash).await.map(|_| ())
            }
            Some(PathState::Published | PathState::Condemned | PathState::Deleting) => Ok(()),
        }
    }

    /// Takes a path out of the index whose narinfo is gone, unless it is published or removed at this moment. Whether it was
    /// taken out.
    pub(crate) async fn forget_missing(&self, hash: &HashPart) -> Result<bool, CacheError> {
        // Who publishes a path or removes it holds the lock, from its row to its narinfo and back.
        let _lock = self.lock_path(hash).await.map_err(index_unavailable)?;
        let is_there = self.objects().head(&ObjectKey::narinfo(hash)).await.map_err(unavailable)?;
        if is_there.is_some() {
            return Ok(false);
        }
        self.reader.forget(hash);
        self.index.forget_path(hash).await.map_err(index_unavailable)?;
        Ok(true)
    }

    /// As [`Self::enter_stored`], also where its NAR is not there, and not while the path is changed.
    pub(crate) async fn enter_as_stored(&self, hash: &HashPart) -> Result<bool, CacheError> {
        let _lock = self.lock_path(hash).await.map_err(index_unavailable)?;
        let stored = self.stored(hash).await?;
        let imported = stored.and_then(|stored| imported(&stored, SystemTime::now()));
        let Some(imported) = imported else { return Ok(false) };
        let left_out = self.index.import(&[imported]).await.map_err(index_unavailable)?;
        Ok(left_out.is_empty())
    }

    /// Enters a path into the index that lies in the storage and is not indexed. Whether it lies there.
    pub(crate) async fn enter_stored(&self, hash: &HashPart) -> Result<bool, CacheError> {
        let Some(stored) = self.stored(hash).await? else { return Ok(false) };
        let Some(imported) = imported(&stored, SystemTime::now()) else { return Ok(false) };
        // A promise must hold: a NAR that is gone is uploaded again.
        let is_whole = self.reader.objects().head(&imported.path.nar).await.map_err(unavailable)?;
        if is_whole.is_none_or(|found| stored.file_size.is_some_and(|size| size != found.size)) {
            return Ok(false);
        }
        let left_out = self.index.import(&[imported]).await.map_err(index_unavailable)?;
        Ok(left_out.is_empty())
    }
}

/// The index's record of a stored narinfo; `None` when its NAR is not where this program looks for it.
pub(crate) fn imported(narinfo: &NarInfo, stored: SystemTime) -> Option<ImportedPath> {
    let name = name_in_url(&narinfo.url)?;
    let file_hash = narinfo.file_hash.and_then(|hash| hash.try_into().ok());
    let nar = IndexedNar {
        file_hash: file_hash.or(name.nar_hash)?,
        file_size: narinfo.file_size.unwrap_or(0),
        nar_hash: narinfo.nar_hash,
        nar_size: narinfo.nar_size,
    };
    let path = NewPath {
        path: narinfo.store_path.clone(),
        nar: ObjectKey::nar(&name),
        nar_size: nar.nar_size,
        file_size: nar.file_size,
        references: others(narinfo),
        deriver: narinfo.deriver.clone(),
        elsewhere: Vec::new(),
    };
    Some(ImportedPath { path, nar, stored })
}

/// The references of a path without itself.
fn others(narinfo: &NarInfo) -> Vec<StorePath> {
    let references = narinfo.references.iter();
    references.filter(|path| **path != narinfo.store_path).cloned().collect()
}

pub(super) async fn publish(
    storage: &Storage,
    narinfo: &NarInfo,
    pusher: &Pusher,
) -> Result<Published, PublishError> {
    let hash = narinfo.store_path.hash_part();
    let name = uploaded_nar(narinfo)?;
    let mut publication = Publication {
        storage: storage.clone(),
        narinfo: narinfo.clone(),
        name,
        pusher: pusher.clone(),
        elsewhere: Vec::new(),
    };
    let (mut has_asked_elsewhere, mut lock) = (false, None);
    loop {
        match publication.attempt(lock.take()).await? {
            PublishAttempt::Published(published) => return Ok(published),
            PublishAttempt::UnknownNar(name) => {
                let nar = storage.verified_nar(&name).await?;
                nar.ok_or_else(|| PublishError::MissingNar { url: name.canonical_url() })?;
            }
            PublishAttempt::Missing(missing) if has_asked_elsewhere => {
                return Err(PublishError::MissingReferences(missing));
            }
            PublishAttempt::Missing(missing) => {
                publication.elsewhere = elsewhere(storage, &missing).await?;
                has_asked_elsewhere = true;
            }
            PublishAttempt::Locked => {
                lock = Some(storage.lock_path(&hash).await.map_err(index_unavailable)?);
            }
            PublishAttempt::Removal => {
                storage.await_removal(&hash).await?;
                // Its references may have gone with it.
                has_asked_elsewhere = false;
            }
        }
    }
}

/// A narinfo on its way to become visible.
#[derive(Clone)]
struct Publication {
    storage: Storage,
    narinfo: NarInfo,
    name: NarName,
    pusher: Pusher,
    /// References that the index does not know, and an upstream has.
    elsewhere: Vec<HashPart>,
}

/// The result of trying to publish a path.
enum PublishAttempt {
    Published(Published),
    /// The index does not know this NAR, which may lie there.
    UnknownNar(NarName),
    /// The index does not know these references.
    Missing(Vec<StorePath>),
    /// Its lock is held elsewhere, and is waited for.
    Locked,
    /// It is being removed, or was taken out of the index, and is tried again.
    Removal,
}

impl Publication {
    /// Tries to publish the path, under its lock, which is taken if it is free.
    async fn attempt(&self, lock: Option<IndexLock>) -> Result<PublishAttempt, PublishError> {
        let this = self.clone();
        let attempt = async move {
            let (storage, name) = (&this.storage, &this.name);
            if lock.is_some() {
                return this.attempt_locked(None).await;
            }
            let hash = this.narinfo.store_path.hash_part();
            // To read a NAR takes minutes. The lock is for the moment in which the path changes; then the NAR is known.
            let nar = storage.index.nar(&ObjectKey::nar(name)).await.map_err(index_unavailable)?;
            if nar.is_none() && storage.stored(&hash).await?.is_none() {
                return Ok(PublishAttempt::UnknownNar(*name));
            }
            // Nothing is waited for on the thread of others.
            let lock = storage.index.try_lock(Exclusive::Path(&hash));
            if lock.is_none() {
                return Ok(PublishAttempt::Locked);
            }
            this.attempt_locked(nar).await
        };
        // Each step takes less time than its way to another thread; only contents are read for longer.
        if self.storage.has_local_index() && self.narinfo.ca.is_none() {
            self.storage.on_one_thread(attempt).await?
        } else {
            attempt.await
        }
    }

    /// The same under its lock. `nar` is the record of its NAR where it was just looked for: a name has one record, and
    /// whether it is still there is seen when the publication begins.
    async fn attempt_locked(
        &self,
        nar: Option<IndexedNar>,
    ) -> Result<PublishAttempt, PublishError> {
        let Self { storage, narinfo, name, pusher, .. } = self;
        let hash = narinfo.store_path.hash_part();
        if let Some(stored) = storage.stored(&hash).await?
            && storage.keeps(&hash).await?
        {
            return add_signatures(storage, &stored, narinfo).await;
        }
        let nar = match nar {
            Some(nar) => Some(nar),
            None => storage.index.nar(&ObjectKey::nar(name)).await.map_err(index_unavailable)?,
        };
        let Some(nar) = nar else { return Ok(PublishAttempt::UnknownNar(*name)) };
        agree(narinfo, &nar.verified())?;
        // The index may know more than there is: after a power loss, or by a rule of the bucket.
        if storage.reader.nar_size(&ObjectKey::nar(name)).await? != Some(nar.file_size) {
            return Err(PublishError::MissingNar { url: narinfo.url.clone() });
        }
        content_address::check(storage, narinfo, name, &nar).await?;
        match self.begin(&nar).await? {
            None => {}
            Some(PublishRefusal::MissingNar) => {
                return Err(PublishError::MissingNar { url: narinfo.url.clone() });
            }
            Some(PublishRefusal::MissingReferences(missing)) => {
                return Ok(PublishAttempt::Missing(missing));
            }
            Some(PublishRefusal::AlreadyPublished) => {
                // Another server was quicker.
                if let Some(stored) = storage.stored(&hash).await? {
                    return add_signatures(storage, &stored, narinfo).await;
                }
                // Its narinfo was lost. The row has the NAR and the references of that one: this one is published as a
                // new path.
                storage.index.forget_path(&hash).await.map_err(index_unavailable)?;
                return Ok(PublishAttempt::Removal);
            }
            Some(PublishRefusal::Deleting) => return Ok(PublishAttempt::Removal),
            Some(PublishRefusal::Busy) => {
                return Err(PublishError::Cache(CacheError::Unavailable {
                    what: format!(
                        "{} is just being published by another pusher",
                        narinfo.store_path
                    ),
                    remedy: "the client tries again",
                }));
            }
        }
        write(storage, &complete(narinfo, &nar)).await?;
        storage.index.end_publish(&hash, Some(pusher)).await.map_err(index_unavailable)?;
        Ok(PublishAttempt::Published(Published::New))
    }

    /// Begins the publication in the index.
    async fn begin(&self, nar: &IndexedNar) -> Result<Option<PublishRefusal>, PublishError> {
        let narinfo = &self.narinfo;
        let new = NewPath {
            path: narinfo.store_path.clone(),
            nar: ObjectKey::nar(&self.name),
            nar_size: nar.nar_size,
            file_size: nar.file_size,
            references: others(narinfo),
            deriver: narinfo.deriver.clone(),
            elsewhere: self.elsewhere.clone(),
        };
        let begun = self.storage.index.begin_publish(&new, Some(&self.pusher)).await;
        Ok(begun.map_err(index_unavailable)?)
    }
}

/// Those of the paths, which the index does not know, that an upstream has. Those that lie in the storage are entered.
async fn elsewhere(
    storage: &Storage,
    unknown: &[StorePath],
) -> Result<Vec<HashPart>, PublishError> {
    // A thousand references one after the other would take longer than a proxy waits.
    let asked = stream::iter(unknown.to_vec()).map(|path| async move {
        let hash = path.hash_part();
        let place = if storage.enter_stored(&hash).await? {
            ReferencePlace::Here
        } else if storage.has_elsewhere(&path).await {
            ReferencePlace::Elsewhere(hash)
        } else {
            ReferencePlace::Nowhere(path)
        };
        Ok::<_, PublishError>(place)
    });
    let mut asked = pin!(asked.buffer_unordered(MAX_REFERENCE_QUESTIONS));
    let (mut elsewhere, mut missing) = (Vec::new(), Vec::new());
    while let Some(place) = asked.try_next().await? {
        match place {
            ReferencePlace::Here => {}
            ReferencePlace::Elsewhere(hash) => elsewhere.push(hash),
            ReferencePlace::Nowhere(path) => missing.push(path),
        }
        // The answer names no more of them. No client makes this server ask an upstream 20,000 times for nothing.
        if missing.len() >= MAX_MISSING {
            return Err(PublishError::MissingReferences(missing));
        }
    }
    Ok(elsewhere)
}

/// Where a reference is that the index does not know.
enum ReferencePlace {
    Here,
    Elsewhere(HashPart),
    Nowhere(StorePath),
}

/// A narinfo with all that is known of its file.
fn complete(narinfo: &NarInfo, nar: &IndexedNar) -> NarInfo {
    NarInfo {
        file_hash: Some(nar.file_hash.into()),
        file_size: Some(nar.file_size),
        ..narinfo.clone()
    }
}

/// The path stays as it is; the narinfo adds signatures only.
async fn add_signatures(
    storage: &Storage,
    stored: &NarInfo,
    narinfo: &NarInfo,
) -> Result<PublishAttempt, PublishError> {
    if stored.store_path != narinfo.store_path {
        return Err(PublishError::Conflict { object: stored.store_path.to_string() });
    }
    let is_same = stored.nar_hash == narinfo.nar_hash
        && stored.nar_size == narinfo.nar_size
        && stored.references == narinfo.references;
    if !is_same {
        return Ok(PublishAttempt::Published(Published::Kept));
    }
    let new = new_signatures(&stored.signatures, narinfo)?;
    if new.is_empty() {
        return Ok(PublishAttempt::Published(Published::Unchanged));
    }
    // A path that lay here before is vouched for only after a look at it.
    if let Some(name) = name_in_url(&stored.url) {
        let nar = storage.index.nar(&ObjectKey::nar(&name)).await.map_err(index_unavailable)?;
        let Some(nar) = nar else { return Ok(PublishAttempt::UnknownNar(name)) };
        agree(stored, &nar.verified())?;
    }
    let mut merged = stored.clone();
    merged.signatures.extend(new);
    write(storage, &merged).await?;
    Ok(PublishAttempt::Published(Published::SignaturesAdded))
}

async fn write(storage: &Storage, narinfo: &NarInfo) -> Result<(), PublishError> {
    let hash = narinfo.store_path.hash_part();
    let (key, text) = (ObjectKey::narinfo(&hash), narinfo.write(storage.reader.shared_store_dir()));
    // No reader would take it.
    if text.len() > MAX_NARINFO_BYTES {
        let (object, limit) = (key.to_string(), MAX_NARINFO_BYTES as u64);
        return Err(PublishError::TooLarge { object, limit });
    }
    let written = storage.objects().write_small(&key, Bytes::from(text)).await;
    storage.reader.forget(&hash);
    written.map_err(not_stored)
}
