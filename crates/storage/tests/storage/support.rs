//! Storages and NARs for tests.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use bytes::Bytes;
use rns_cache::{PublishError, Pusher, RootRevision, VerifiedNar, WritableCache as _};
use rns_formats::{Compression, NarInfo, NarName, PathInfo, Sha256Digest, StoreDir, StorePath};
use rns_storage::{
    index::sqlite::SqliteIndex,
    objects::{ObjectKey, Objects, StorageUrl},
    read::StorageReader,
    write::{Nowhere, Storage, UploadLimits},
};
use rns_testing::{S3Server, Scratch};

/// A storage, and the things that it needs to stay.
pub(crate) struct Fixture {
    pub(crate) storage: Storage,
    pub(crate) directory: PathBuf,
    pub(crate) s3: Option<S3Server>,
    scratch: Scratch,
}

/// Where a storage is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Directory,
    Bucket,
}

impl Fixture {
    /// `None` without an S3 server.
    pub(crate) async fn new(place: Place) -> Option<Self> {
        let scratch = Scratch::new();
        let (url, directory, s3) = match place {
            Place::Directory => {
                let directory = scratch.join("cache");
                (format!("file://{}", directory.display()), directory, None)
            }
            Place::Bucket => {
                let server = S3Server::start()?;
                use_credentials(server.credentials_file());
                (server.url(), server.directory(), Some(server))
            }
        };
        Some(Self::of(&url, directory, s3, scratch).await)
    }

    /// A part of a bucket whose objects are no files.
    pub(crate) async fn of_bucket(url: &str) -> Self {
        Self::of(url, PathBuf::new(), None, Scratch::new()).await
    }

    async fn of(url: &str, directory: PathBuf, s3: Option<S3Server>, scratch: Scratch) -> Self {
        let url: StorageUrl = url.parse().unwrap();
        let reader =
            StorageReader::new(Objects::create(&url, false).unwrap(), StoreDir::default(), 1 << 20);
        let index = SqliteIndex::new(scratch.join("index.sqlite"), false);
        let limits = UploadLimits { max_nar_size: 16 << 20, ..UploadLimits::default() };
        let storage = Storage::new(reader, Arc::new(index), Arc::new(Nowhere), limits);
        storage.initialise().await.unwrap();
        Self { storage, directory, s3, scratch }
    }

    /// The directory or bucket itself.
    pub(crate) fn objects(&self) -> &Objects {
        self.storage.reader().objects()
    }

    /// The file of the index.
    pub(crate) fn index_file(&self) -> PathBuf {
        self.scratch.join("index.sqlite")
    }

    /// Writes an object past the storage, as another program does.
    pub(crate) async fn write(&self, key: &str, bytes: impl Into<Bytes>) {
        self.objects().write_small(&ObjectKey::listed(key), bytes.into()).await.unwrap();
    }

    /// Removes an object past the storage.
    pub(crate) async fn remove(&self, key: &str) {
        self.objects().delete(&ObjectKey::listed(key)).await.unwrap();
    }

    /// A storage with the same objects and another index.
    pub(crate) fn with_new_index(&self) -> Storage {
        let index = SqliteIndex::new(self.scratch.join("another.sqlite"), false);
        let limits = UploadLimits { max_nar_size: 16 << 20, ..UploadLimits::default() };
        Storage::new(self.storage.reader().clone(), Arc::new(index), Arc::new(Nowhere), limits)
    }

    /// Uploads bytes as the NAR of this name.
    pub(crate) async fn upload(
        &self,
        name: &NarName,
        file: &[u8],
    ) -> Result<VerifiedNar, PublishError> {
        let mut upload = self.storage.begin_nar(name, Some(file.len() as u64)).await?;
        for chunk in file.chunks(40_000) {
            upload.write(Bytes::copy_from_slice(chunk)).await?;
        }
        upload.finish().await
    }

    /// Uploads and publishes a path as a client does.
    pub(crate) async fn push(&self, info: &PathInfo, nar: &[u8]) -> NarInfo {
        let (narinfo, file) = packed(info, nar, Compression::Zstd);
        self.upload(&name_of(&narinfo), &file).await.unwrap();
        self.storage.publish(&narinfo, &pusher()).await.unwrap();
        narinfo
    }
}

/// Has buckets opened with the credentials in this file.
pub(crate) fn use_credentials(file: PathBuf) {
    // The tests of this program run in processes of their own.
    #[expect(unsafe_code, reason = "no other thread reads the environment yet")]
    unsafe {
        std::env::set_var("AWS_SHARED_CREDENTIALS_FILE", file);
    }
}

/// The files that a client uploads for a path.
pub(crate) fn packed(info: &PathInfo, nar: &[u8], compression: Compression) -> (NarInfo, Vec<u8>) {
    let file = match compression {
        Compression::None => nar.to_vec(),
        Compression::Zstd => zstd::encode_all(nar, 3).unwrap(),
        other => panic!("{other}"),
    };
    let name = NarName::of_file(Sha256Digest::of(&file), compression);
    let facts = (Sha256Digest::of(&file).into(), file.len() as u64);
    let narinfo = NarInfo::for_path(
        info,
        name.canonical_url(),
        compression,
        Some(facts),
        info.signatures.clone(),
    );
    (narinfo, file)
}

/// The first revision of a root with these paths, which never expires.
pub(crate) fn first_revision(paths: Vec<StorePath>) -> RootRevision {
    RootRevision {
        revision: 1,
        created: SystemTime::now(),
        expires: None,
        label: None,
        pusher: pusher(),
        paths,
    }
}

/// Who pushes in tests.
pub(crate) fn pusher() -> Pusher {
    Pusher { name: "token ci".to_owned(), address: Some("192.0.2.1".to_owned()) }
}

/// The name in the URL of a narinfo.
pub(crate) fn name_of(narinfo: &NarInfo) -> NarName {
    match rns_formats::url::parse(&format!("/{}", narinfo.url), None) {
        Some(rns_formats::Resource::Nar(name)) => name,
        other => panic!("{other:?}"),
    }
}
