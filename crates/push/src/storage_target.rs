//! A directory or bucket that is pushed to without a server.

use std::{path::Path, sync::Arc};

use bytes::{Bytes, BytesMut};
use rns_cache::{PublishError, Pusher, WritableCache as _};
use rns_client::{Liveness, UploadBody};
use rns_formats::{
    BuildTraceEntry, HashPart, LogName, MAX_LOG_BYTES, NarInfo, NarName, PathInfo, Realisation,
    StoreDir, StorePath,
};
use rns_storage::{
    index::sqlite::SqliteIndex,
    objects::{ObjectKey, Objects, StorageUrl},
    read::StorageReader,
    write::{Elsewhere, Nowhere, Storage, UploadLimits, Upstreams, initialise},
};
use url::Url;

use crate::{document::PushedDocument, error::PushError};

/// The index that this program's server keeps inside a directory.
const INDEX_FILE: &str = ".rust-nix-serve/index.sqlite";

/// Memory for narinfos that are read, in bytes.
const MEMORY_BYTES: usize = 4 << 20;

/// Bytes that are read of a file at a time.
const STORED_CHUNK_BYTES: usize = 256 << 10;

/// A directory or bucket that is pushed to without a server.
#[derive(Clone)]
pub enum StorageTarget {
    /// In Nix's own layout, as `nix copy` fills it.
    Plain(Objects, StoreDir),
    /// A directory that a server of this program keeps an index of: each upload is verified and entered.
    Indexed(Box<Storage>),
}

impl StorageTarget {
    /// Opens the storage, and makes it a binary cache if it is none. A directory that is missing is made.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn open(
        url: &StorageUrl,
        store_dir: &StoreDir,
        upstreams: &[Url],
    ) -> Result<Self, PushError> {
        let objects = Objects::create(url, true)?;
        initialise(&objects, store_dir).await?;
        let index = objects.directory().map(|directory| directory.join(INDEX_FILE));
        match index.filter(|file| Path::is_file(file)) {
            None => Ok(Self::Plain(objects, store_dir.clone())),
            Some(file) => {
                let reader = StorageReader::new(objects, store_dir.clone(), MEMORY_BYTES);
                let elsewhere: Arc<dyn Elsewhere> = if upstreams.is_empty() {
                    Arc::new(Nowhere)
                } else {
                    let upstreams = Upstreams::new(upstreams.to_vec(), store_dir.clone());
                    Arc::new(
                        upstreams.map_err(|error| PushError::Pack(std::io::Error::other(error)))?,
                    )
                };
                let index = Arc::new(SqliteIndex::new(file, true));
                let limits = UploadLimits::default();
                Ok(Self::Indexed(Box::new(Storage::new(reader, index, elsewhere, limits))))
            }
        }
    }

    pub(crate) async fn has_path(&self, hash: &HashPart) -> Result<bool, PushError> {
        match self {
            Self::Plain(objects, _) => Ok(objects.head(&ObjectKey::narinfo(hash)).await?.is_some()),
            Self::Indexed(storage) => Ok(storage.promise_path(hash).await?),
        }
    }

    pub(crate) async fn has_nar(&self, name: &NarName) -> Result<bool, PushError> {
        match self {
            Self::Plain(objects, _) => Ok(objects.head(&ObjectKey::nar(name)).await?.is_some()),
            Self::Indexed(storage) => Ok(storage.promise_nar(name).await?),
        }
    }

    pub(crate) async fn put_nar(
        &self,
        name: &NarName,
        body: &UploadBody,
        liveness: &Liveness,
    ) -> Result<(), PushError> {
        let length = body.len();
        match self {
            Self::Plain(..) => self.write(&ObjectKey::nar(name), body, liveness).await,
            Self::Indexed(storage) => {
                let mut upload = storage.begin_nar(name, Some(length)).await?;
                let mut at = 0;
                while let Some(chunk) =
                    body.chunk(at, STORED_CHUNK_BYTES).await.map_err(PushError::Pack)?
                {
                    at += chunk.len() as u64;
                    upload.write(chunk).await?;
                    liveness.note();
                }
                upload.finish().await?;
                Ok(())
            }
        }
    }

    pub(crate) async fn put_narinfo(&self, narinfo: &NarInfo) -> Result<(), PushError> {
        match self {
            Self::Plain(objects, store_dir) => {
                let key = ObjectKey::narinfo(&narinfo.store_path.hash_part());
                let text = Bytes::from(narinfo.write(store_dir));
                Ok(objects.write_small(&key, text).await?)
            }
            Self::Indexed(storage) => {
                let pusher = Pusher { name: "rust-nix-serve push".to_owned(), address: None };
                storage.publish(narinfo, &pusher).await?;
                Ok(())
            }
        }
    }

    pub(crate) async fn has_document(
        &self,
        info: &PathInfo,
        document: &PushedDocument,
    ) -> Result<bool, PushError> {
        let key = match document {
            PushedDocument::Listing => ObjectKey::listing(&info.path.hash_part()),
            PushedDocument::Log(derivation) => ObjectKey::log(derivation),
            PushedDocument::Realisation(realisation) => ObjectKey::realisation(&realisation.id),
            PushedDocument::BuildTrace(entry) => {
                ObjectKey::build_trace(&entry.drv_path, entry.output_name.as_str())
            }
        };
        match (self, document) {
            // It goes with its path.
            (Self::Indexed(storage), PushedDocument::Listing) => {
                Ok(storage.promise_path(&info.path.hash_part()).await?
                    && self.objects().head(&key).await?.is_some())
            }
            (Self::Indexed(storage), _) => Ok(storage.promise_document(&key).await?),
            (Self::Plain(..), _) => Ok(self.objects().head(&key).await?.is_some()),
        }
    }

    pub(crate) async fn put_listing(&self, hash: &HashPart, json: Bytes) -> Result<(), PushError> {
        match self {
            Self::Plain(objects, _) => {
                Ok(objects.write_small(&ObjectKey::listing(hash), json).await?)
            }
            Self::Indexed(storage) => Ok(storage.put_listing(*hash, json).await?),
        }
    }

    pub(crate) async fn put_log(
        &self,
        derivation: &StorePath,
        text: &UploadBody,
        built: &StorePath,
    ) -> Result<(), PushError> {
        let key = ObjectKey::log(derivation);
        let (storage, name) = match (self, LogName::of_derivation(derivation.clone())) {
            (Self::Indexed(storage), Some(name)) => (storage, name),
            (Self::Plain(..), _) | (_, None) => {
                return self.write(&key, text, &Liveness::default()).await;
            }
        };
        if text.len() > MAX_LOG_BYTES {
            let (object, limit) = (key.as_str().to_owned(), MAX_LOG_BYTES);
            return Err(PublishError::TooLarge { object, limit }.into());
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) =
            text.chunk(whole.len() as u64, STORED_CHUNK_BYTES).await.map_err(PushError::Pack)?
        {
            whole.extend_from_slice(&chunk);
        }
        Ok(storage.put_log(&name, whole.freeze(), Some(&built.hash_part())).await?)
    }

    pub(crate) async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PushError> {
        match self {
            Self::Plain(objects, _) => {
                let json = Bytes::from(realisation.to_json());
                Ok(objects.write_small(&ObjectKey::realisation(&realisation.id), json).await?)
            }
            Self::Indexed(storage) => Ok(storage.put_realisation(realisation).await?),
        }
    }

    pub(crate) async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PushError> {
        match self {
            Self::Plain(objects, _) => {
                let key = ObjectKey::build_trace(&entry.drv_path, entry.output_name.as_str());
                Ok(objects.write_small(&key, Bytes::from(entry.to_json())).await?)
            }
            Self::Indexed(storage) => Ok(storage.put_build_trace(entry).await?),
        }
    }

    fn objects(&self) -> &Objects {
        match self {
            Self::Plain(objects, _) => objects,
            Self::Indexed(storage) => storage.reader().objects(),
        }
    }

    /// Writes a whole object, which appears at once.
    async fn write(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        liveness: &Liveness,
    ) -> Result<(), PushError> {
        let mut writer = self.objects().writer(key, Some(body.len()))?;
        let mut at = 0;
        while let Some(chunk) = body.chunk(at, STORED_CHUNK_BYTES).await.map_err(PushError::Pack)? {
            at += chunk.len() as u64;
            writer.write(chunk).await?;
            liveness.note();
        }
        Ok(writer.finish().await?)
    }
}
