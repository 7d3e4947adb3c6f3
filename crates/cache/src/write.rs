//! The orders that a binary cache takes.

use async_trait::async_trait;
use bytes::Bytes;
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, HashPart, LogName, NarInfo, NarName, Realisation,
    Sha256Digest, StorePath,
};

use crate::{BinaryCache, CacheError, DebugInfo, Pusher, RootedCache};

/// A binary cache that takes uploads.
///
/// Guarantees of every implementation:
///
/// - **Nothing half-true is visible**: a NAR only after it was verified whole, a narinfo only when its NAR and all its
///   references are there.
/// - **Published bytes never change**: the first NAR of a path wins. Another one for the same path is acknowledged and
///   dropped; a later narinfo for the same NAR adds its signatures.
/// - **Every order can be repeated**, also while it is being carried out elsewhere.
/// - An acknowledged upload is there after a crash.
#[async_trait]
pub trait WritableCache: BinaryCache {
    /// The largest NAR that is taken, in bytes, packed or not.
    fn max_nar_size(&self) -> u64;

    /// Begins to take a NAR. `length` is that of the file as it is sent, where the client says it. Dropping the
    /// upload leaves nothing behind.
    ///
    /// # Errors
    /// When it can be refused from name and length alone, or the cache cannot take anything.
    async fn begin_nar(
        &self,
        name: &NarName,
        length: Option<u64>,
    ) -> Result<Box<dyn NarUpload>, PublishError>;

    /// Returns true if the orders are steps that block for a moment, on this machine: a thread that may block carries them out at
    /// once.
    fn is_local(&self) -> bool {
        false
    }

    /// A URL to which a client may send the file of a NAR, of this length in bytes. `None`: the client sends it here. The cache
    /// reads such a file back and verifies it before it counts, at the latest in [`Self::publish`].
    ///
    /// # Errors
    /// When the cache cannot take anything.
    async fn direct_upload(
        &self,
        _name: &NarName,
        _length: u64,
    ) -> Result<Option<String>, PublishError> {
        Ok(None)
    }

    /// Makes a path visible. Its NAR, at the URL that the narinfo names, has been taken before.
    ///
    /// # Errors
    /// When NAR or references are not there, or the narinfo contradicts the NAR.
    async fn publish(&self, narinfo: &NarInfo, pusher: &Pusher) -> Result<Published, PublishError>;

    /// A small object as it is, which the client has sent compressed.
    ///
    /// # Errors
    /// `TooLarge` beyond `limit` bytes, `Malformed` when it cannot be decompressed.
    async fn decompress(
        &self,
        compression: Compression,
        bytes: Bytes,
        limit: u64,
    ) -> Result<Bytes, PublishError>;

    /// Whether a path is there and stays for its grace, which begins anew: a pusher skips paths that are there.
    ///
    /// # Errors
    /// When the cache cannot promise anything now.
    async fn promise_path(&self, hash: &HashPart) -> Result<bool, CacheError>;

    /// The same for a NAR that was taken.
    ///
    /// # Errors
    /// As [`Self::promise_path`].
    async fn promise_nar(&self, name: &NarName) -> Result<bool, CacheError>;

    /// Whether a path need not be pushed, since it is always available elsewhere. A place that cannot be asked has
    /// nothing.
    async fn is_elsewhere(&self, hash: &HashPart) -> bool;

    /// Stores the listing of a path's NAR: the JSON, not compressed.
    ///
    /// # Errors
    /// `Malformed` when it is no listing.
    async fn put_listing(&self, hash: HashPart, json: Bytes) -> Result<(), PublishError>;

    /// Stores a build log: the text, not compressed. `built` is a path that the build made, where the pusher says so: the log
    /// stays with it, also where its narinfo names another derivation.
    ///
    /// # Errors
    /// When it is too large, or the cache cannot take anything.
    async fn put_log(
        &self,
        name: &LogName,
        text: Bytes,
        built: Option<&HashPart>,
    ) -> Result<(), PublishError>;

    /// Stores a realisation of Nix 2.4 to 2.34.
    ///
    /// # Errors
    /// `Conflict` when there is another one with the same id.
    async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PublishError>;

    /// Stores the path that an output was built to, of Nix 2.35.
    ///
    /// # Errors
    /// `Conflict` when there is another one for the same output.
    async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PublishError>;

    /// Stores where the debug information with a build id is.
    ///
    /// # Errors
    /// `Malformed` when it names no NAR of this cache.
    async fn put_debug_info(&self, id: &BuildId, info: &DebugInfo) -> Result<(), PublishError>;

    /// Removes a path: first its narinfo, then the objects that only it needs. Whether there was one. Who ordered it is noted.
    ///
    /// # Errors
    /// `Needed` when a path refers to it or a root names it; otherwise when the cache cannot remove anything now.
    async fn delete(&self, hash: HashPart, who: &Pusher) -> Result<bool, PublishError>;

    /// Its roots. `None`: it has no roots.
    fn rooted(&self) -> Option<&dyn RootedCache> {
        None
    }
}

/// A NAR that is being uploaded.
#[async_trait]
pub trait NarUpload: Send {
    /// Takes the next bytes of the file. The caller waits before it takes more from the client.
    ///
    /// # Errors
    /// As soon as the file contradicts its name. Then the upload is over.
    async fn write(&mut self, chunk: Bytes) -> Result<(), PublishError>;

    /// Ends the file. After that it can be published.
    ///
    /// # Errors
    /// When it contradicts its name, or is no NAR in canonical form.
    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError>;
}

/// Hashes and lengths of an uploaded NAR, computed while it streamed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedNar {
    /// SHA-256 of the NAR.
    pub nar_hash: Sha256Digest,
    /// Length of the NAR in bytes.
    pub nar_size: u64,
    /// SHA-256 of the file, compressed as it is.
    pub file_hash: Sha256Digest,
    /// Length of the file in bytes.
    pub file_size: u64,
}

/// The result of publishing a narinfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The path is visible now and was not before.
    New,
    /// The path was there; signatures were added.
    SignaturesAdded,
    /// The path was there, and nothing has changed.
    Unchanged,
    /// The path was there with another NAR, which stays.
    Kept,
}

/// Why an upload was refused. The texts of all but `Cache` are for the client as well: they name nothing of the machine.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is not in the form that its name promises: no NAR, no narinfo, wrong compression.
    #[error("{object} is malformed: {why}")]
    Malformed {
        /// The uploaded object.
        object: String,
        /// The fault in it.
        why: String,
    },
    /// The bytes are not those that name or narinfo announce.
    #[error("{object} has {found}, announced was {expected}")]
    Mismatch {
        /// The object, and which hash or length of it.
        object: String,
        /// The announced value.
        expected: String,
        /// The value found.
        found: String,
    },
    /// Nothing of it came for as long as a client may be silent.
    #[error("nothing of the body came for too long")]
    Stalled,
    /// It came so slowly that others got its place.
    #[error("it came too slowly, and others waited for its place")]
    Displaced,
    /// It is larger than this cache takes, packed or unpacked.
    #[error("{object} has more than {limit} bytes")]
    TooLarge {
        /// The uploaded object.
        object: String,
        /// The most that is taken.
        limit: u64,
    },
    /// The narinfo came without its NAR.
    #[error("the NAR {url} has not been uploaded")]
    MissingNar {
        /// The URL that the narinfo names.
        url: String,
    },
    /// The narinfo came before those of paths that it refers to.
    #[error(
        "it refers to paths that are not here: {}; push them first, with `nix copy --refresh` where they were here before",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    MissingReferences(Vec<StorePath>),
    /// The signatures that the configuration requires are not there.
    #[error("{object} has no valid signature by a key that this cache requires")]
    Unsigned {
        /// The path, or the realisation.
        object: String,
    },
    /// The daemon of the store trusts neither this server nor a signature of the path.
    #[error(
        "{object} is taken into this store only with a signature by a key that its Nix daemon trusts"
    )]
    Untrusted {
        /// The path or log.
        object: String,
    },
    /// There is no place for it in this kind of cache.
    #[error("{object} cannot be stored here: {why}")]
    Unsupported {
        /// The uploaded object.
        object: String,
        /// The reason.
        why: String,
    },
    /// The pusher may not write about paths with this name.
    #[error("{object} is not among the names that this token may push")]
    NotAllowed {
        /// The path or name.
        object: String,
    },
    /// Something else is stored under this name, and stays.
    #[error("{object} is stored with other contents")]
    Conflict {
        /// The stored object.
        object: String,
    },
    /// It cannot be removed while these paths refer to it, or roots name it.
    #[error("it is needed by {}", .0.join(", "))]
    Needed(Vec<String>),
    /// The place where it would be stored is full.
    #[error("the storage is full")]
    Full,
    /// The cache cannot take anything now.
    #[error(transparent)]
    Cache(#[from] CacheError),
}
