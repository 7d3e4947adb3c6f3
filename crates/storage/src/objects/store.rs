//! One directory or bucket.

use std::{
    fmt,
    ops::Range,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    Attribute, GetOptions, ObjectStore, ObjectStoreExt as _, PutPayload, aws::AmazonS3,
    signer::Signer,
};
use rns_formats::Compression;
use rns_verify::decompress;

use super::{
    ObjectError, ObjectKey, ObjectWriter, StorageName, directory_file::Directory,
    length::of_length, multiparts::Multiparts,
};
use crate::blocking::blocking;

/// A directory or bucket. Clones share it.
#[derive(Clone)]
pub struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signer: Option<Arc<AmazonS3>>,
    pub(super) multiparts: Option<Arc<Multiparts>>,
    pub(super) directory: Option<Directory>,
    /// The file that every binary cache has, where the storage is a directory.
    pub(super) cache_info: Option<Arc<FsPath>>,
    pub(super) prefix: Arc<str>,
    pub(super) name: Arc<str>,
    /// `None`: it is in memory.
    pub(super) storage_name: Option<Arc<StorageName>>,
}

/// The facts about an object that need no reading of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its length in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
}

impl Objects {
    /// The file of an object, where the storage is a directory.
    #[must_use]
    pub fn file(&self, key: &ObjectKey) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.file(key).path)
    }

    /// The file `nix-cache-info`, where the storage is a directory.
    pub(crate) const fn cache_info_file(&self) -> Option<&Arc<FsPath>> {
        self.cache_info.as_ref()
    }

    /// The name by which an index knows it again. `None`: it is in memory, and has no index that lasts.
    #[must_use]
    pub fn storage_name(&self) -> Option<&StorageName> {
        self.storage_name.as_deref()
    }

    /// The directory, where the storage is one.
    #[must_use]
    pub fn directory(&self) -> Option<&FsPath> {
        self.directory.as_ref().map(|directory| &*directory.root)
    }

    /// Whether the object is there, and how large it is.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError> {
        let path = self.path(key)?;
        match self.store.head(&path).await {
            Ok(meta) => {
                Ok(Some(ObjectInfo { size: meta.size, modified: meta.last_modified.into() }))
            }
            Err(object_store::Error::NotFound { source, .. }) => {
                self.absent(key, &*source).await.map(|()| None)
            }
            Err(error) => Err(ObjectError::of("look for", key)(error)),
        }
    }

    /// Tells an object that is not there from a storage that is not there.
    async fn absent(
        &self,
        key: &ObjectKey,
        cause: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<(), ObjectError> {
        let missing = |why| Err(ObjectError::NotACache { storage: self.to_string(), why });
        match &self.cache_info {
            // A mount point without its disk is an empty directory. One look at a name is cheap.
            Some(info) if *key != ObjectKey::cache_info() => {
                let info = Arc::clone(info);
                if blocking(move || info.exists()).await.unwrap_or(false) {
                    Ok(())
                } else {
                    missing("the file nix-cache-info is missing")
                }
            }
            Some(_) => Ok(()),
            None if has_cause(cause, "NoSuchBucket") => missing("there is no such bucket"),
            None => Ok(()),
        }
    }

    /// Whether there is a binary cache, by its `nix-cache-info`.
    ///
    /// # Errors
    /// `NotACache`, `Unavailable`.
    pub async fn check(&self) -> Result<(), ObjectError> {
        match self.head(&ObjectKey::cache_info()).await? {
            Some(_) => Ok(()),
            None => Err(ObjectError::NotACache {
                storage: self.to_string(),
                why: "the object nix-cache-info is missing",
            }),
        }
    }

    /// All bytes of a small object, decompressed where it is stored with a `Content-Encoding`.
    ///
    /// # Errors
    /// `TooLarge` above `limit` bytes, packed or not; `Encoding`; `Unavailable`.
    pub async fn read_small(
        &self,
        key: &ObjectKey,
        limit: u64,
    ) -> Result<Option<Bytes>, ObjectError> {
        let path = self.path(key)?;
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { source, .. }) => {
                return self.absent(key, &*source).await.map(|()| None);
            }
            Err(error) => return Err(ObjectError::of("read", key)(error)),
        };
        let size = found.meta.size;
        if size > limit {
            return Err(ObjectError::TooLarge { key: key.to_string(), size, limit });
        }
        let encoding = found
            .attributes
            .get(&Attribute::ContentEncoding)
            .map(|value| value.as_ref().to_owned());
        let bytes = found.bytes().await.map_err(ObjectError::of("read", key))?;
        decoded(key, encoding.as_deref(), bytes, limit).await.map(Some)
    }

    /// The bytes of `range`, which lies within the object. `None` when it is not there (any more); of an empty range that is not
    /// asked.
    ///
    /// # Errors
    /// `Unavailable`; the stream has the errors of reading on.
    pub async fn read(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, ObjectError>>>, ObjectError> {
        // A server cannot satisfy it, and each says so in its own way.
        if range.is_empty() {
            return Ok(Some(stream::empty().boxed()));
        }
        let path = self.path(key)?;
        let length = range.end - range.start;
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        match self.store.get_opts(&path, options).await {
            Ok(found) => {
                let key = key.clone();
                let chunks = of_length(found.into_stream(), length);
                Ok(Some(chunks.map_err(move |error| ObjectError::of("read", &key)(error)).boxed()))
            }
            Err(object_store::Error::NotFound { source, .. }) => {
                self.absent(key, &*source).await.map(|()| None)
            }
            Err(error) => Err(ObjectError::of("read", key)(error)),
        }
    }

    /// Writes a small object whole; replaces one that is there.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write_small(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), ObjectError> {
        let path = self.path(key)?;
        // The library makes directories that are missing.
        if let Some(directory) = &self.directory
            && directory.file(key).write(key, bytes.clone()).await?
        {
            return Ok(());
        }
        let written = self.store.put(&path, PutPayload::from_bytes(bytes)).await;
        written.map(|_| ()).map_err(ObjectError::of("write", key))
    }

    /// Makes a folder where the storage is a directory; a bucket has none.
    ///
    /// # Errors
    /// `Directory`.
    pub(crate) async fn make_folder(&self, name: &str) -> Result<(), ObjectError> {
        let Some(root) = self.directory() else { return Ok(()) };
        let path = root.join(name);
        let folder = path.clone();
        let made = blocking(move || std::fs::create_dir_all(folder)).await;
        made.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|source| ObjectError::Directory { doing: "make the directory", path, source })
    }

    /// Begins to write an object of any size. It is there when the writer has finished, and not before.
    ///
    /// `expected_size` chooses the size of the parts that a bucket takes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn writer(
        &self,
        key: &ObjectKey,
        expected_size: Option<u64>,
    ) -> Result<ObjectWriter, ObjectError> {
        let file = self.directory.as_ref().map(|directory| directory.file(key));
        let path = self.path(key)?;
        Ok(ObjectWriter::new(Arc::clone(&self.store), path, key.clone(), expected_size, file))
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        let path = self.path(key)?;
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ObjectError::of("delete", key)(error)),
        }
    }

    /// Every object whose key begins with `folder` (a name without slashes at its ends), or every object.
    pub fn list(
        &self,
        folder: Option<&str>,
    ) -> BoxStream<'static, Result<(ObjectKey, ObjectInfo), ObjectError>> {
        let start = [&*self.prefix, folder.unwrap_or_default()]
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("/");
        let start =
            object_store::path::Path::parse(start).ok().filter(|path| !path.as_ref().is_empty());
        let prefix = Arc::clone(&self.prefix);
        let listed = self.store.list(start.as_ref());
        let key = folder.unwrap_or("its objects").to_owned();
        listed
            .map_err(move |source| ObjectError::Unavailable {
                doing: "list",
                key: key.clone(),
                source,
            })
            .map_ok(move |meta| {
                let key = meta.location.as_ref();
                let key = key.strip_prefix(&*prefix).unwrap_or(key).trim_start_matches('/');
                let info = ObjectInfo { size: meta.size, modified: meta.last_modified.into() };
                (ObjectKey::listed(key), info)
            })
            .boxed()
    }

    /// A URL by which any holder may read (`GET`) or write (`PUT`) the object for a while. `None` for directories.
    ///
    /// # Errors
    /// `Unavailable` when there are no credentials to sign with.
    pub async fn presigned(
        &self,
        method: reqwest::Method,
        key: &ObjectKey,
        valid: Duration,
    ) -> Result<Option<url::Url>, ObjectError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let path = self.path(key)?;
        let signed = signer.signed_url(method, &path, valid).await;
        signed.map(Some).map_err(ObjectError::of("presign", key))
    }

    fn path(&self, key: &ObjectKey) -> Result<object_store::path::Path, ObjectError> {
        key.below(&self.prefix).map_err(|error| {
            ObjectError::Configuration(format!("{key} is no object name: {error}"))
        })
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.name)
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The library keeps the answer of the server only as a text in a chain of errors.
fn has_cause(error: &(dyn std::error::Error + 'static), text: &str) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.to_string().contains(text))
}

/// Decompresses objects that clients with `narinfo-compression` and its like have stored.
async fn decoded(
    key: &ObjectKey,
    encoding: Option<&str>,
    bytes: Bytes,
    limit: u64,
) -> Result<Bytes, ObjectError> {
    let name = encoding.map(str::trim).filter(|name| !matches!(*name, "" | "identity"));
    let Some(name) = name else { return Ok(bytes) };
    let wrong = |why: String| ObjectError::Encoding { key: key.to_string(), why };
    let compression = Compression::parse(name).map_err(|error| wrong(error.to_string()))?;
    let unpacked = blocking(move || decompress(&bytes, compression, limit)).await;
    match unpacked.map_err(|error| wrong(error.to_string()))? {
        Ok(Some(unpacked)) => Ok(unpacked),
        Ok(None) => Err(ObjectError::TooLarge { key: key.to_string(), size: limit + 1, limit }),
        Err(rejection) => Err(wrong(rejection.to_string())),
    }
}
