//! Opening a directory or bucket.

use std::sync::Arc;

use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

use super::{
    ObjectError, ObjectKey, Objects, StorageName, StorageUrl,
    bucket::{OpenBucket, bucket},
    directory_file::Directory,
    multiparts::Multiparts,
};

impl Objects {
    /// As [`Self::open`], and makes a directory that is missing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn create(url: &StorageUrl, sync: bool) -> Result<Self, ObjectError> {
        if let StorageUrl::Directory(path) = url {
            std::fs::create_dir_all(path).map_err(|source| ObjectError::Directory {
                doing: "make the directory",
                path: path.clone(),
                source,
            })?;
        }
        Self::open(url, sync)
    }

    /// The storage that a URL names. A directory must be there; a bucket is not asked yet.
    ///
    /// `sync`: whether acknowledged objects survive a power loss (directories only; buckets always promise that).
    ///
    /// # Errors
    /// When the directory cannot be used, or the credentials of a bucket cannot be read.
    pub fn open(url: &StorageUrl, sync: bool) -> Result<Self, ObjectError> {
        let name: Arc<str> = url.to_string().into();
        match url {
            StorageUrl::Directory(path) => {
                // Listing the directory tells a file from one, and one that is not ours.
                let usable = path.canonicalize().and_then(|path| path.read_dir().map(|_| path));
                let path = usable.map_err(|source| ObjectError::Directory {
                    doing: "use the directory",
                    path: path.clone(),
                    source,
                })?;
                let store = LocalFileSystem::new_with_prefix(&path)
                    .map_err(|error| ObjectError::Configuration(error.to_string()))?
                    .with_fsync(sync);
                let storage_name = Some(Arc::new(StorageName::of_directory(&path)));
                Ok(Self {
                    store: Arc::new(store),
                    signer: None,
                    multiparts: None,
                    cache_info: Some(path.join(ObjectKey::cache_info().as_str()).into()),
                    directory: Some(Directory::new(path.into(), sync)),
                    prefix: "".into(),
                    name,
                    storage_name,
                })
            }
            StorageUrl::Bucket { prefix, .. } => {
                let OpenBucket { store, region, name: storage_name } = bucket(url)?;
                let store = Arc::new(store);
                Ok(Self {
                    store: Arc::clone(&store) as Arc<dyn ObjectStore>,
                    multiparts: Some(Arc::new(Multiparts::new(Arc::clone(&store), region))),
                    signer: Some(store),
                    directory: None,
                    cache_info: None,
                    prefix: prefix.as_str().into(),
                    name,
                    storage_name: Some(Arc::new(storage_name)),
                })
            }
        }
    }

    /// A storage in memory, for tests.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            store: Arc::new(InMemory::new()),
            signer: None,
            multiparts: None,
            directory: None,
            cache_info: None,
            prefix: "".into(),
            name: "memory".into(),
            storage_name: None,
        }
    }
}
