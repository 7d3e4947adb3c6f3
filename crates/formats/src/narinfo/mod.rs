//! `<hash part>.narinfo`: the metadata of a store path, and the URL of its NAR.

mod json;
mod parse;
mod write;

use crate::compression::Compression;
use crate::content_address::ContentAddress;
use crate::fingerprint::fingerprint;
use crate::hash::{Hash, Sha256Digest};
use crate::path_info::PathInfo;
use crate::provenance::Provenance;
use crate::signature::Signature;
use crate::store_path::{StoreDir, StorePath};

pub use parse::{FieldError, NarInfoError, NarInfoProblem};

/// The contents of a narinfo.
///
/// The text fields `url` and `unknown` must hold no line feed, and the names of unknown fields
/// no colon either: narinfos have no way to escape them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarInfo {
    /// The path that is described.
    pub store_path: StorePath,
    /// Where the NAR is, relative to the cache's URL or absolute. Not empty.
    pub url: String,
    /// How the file at `url` is compressed.
    pub compression: Compression,
    /// Hash of the file at `url`. Clients never check it.
    pub file_hash: Option<Hash>,
    /// Bytes in the file at `url`. Clients use it for their progress display.
    pub file_size: Option<u64>,
    /// SHA-256 of the NAR when uncompressed.
    pub nar_hash: Sha256Digest,
    /// Bytes in the NAR when uncompressed. Not zero.
    pub nar_size: u64,
    /// The paths that `store_path` refers to, perhaps itself among them; sorted.
    pub references: Vec<StorePath>,
    /// The derivation that built the path.
    pub deriver: Option<StorePath>,
    /// Signatures of the [fingerprint](NarInfo::fingerprint), each once.
    pub signatures: Vec<Signature>,
    /// How the path's name follows from its contents.
    pub ca: Option<ContentAddress>,
    /// Where the contents come from. Most clients know nothing of it.
    pub provenance: Option<Provenance>,
    /// Fields clients know nothing of, in the order of the file.
    pub unknown: Vec<(String, String)>,
}

impl NarInfo {
    /// The narinfo of a path in a store.
    ///
    /// `file` is the hash and size of the file at `url`; without compression give those of the
    /// NAR, since Nix up to 2.34 aborts when it copies a narinfo that has none. `signatures` is
    /// the whole list: those of `info` are not added to it.
    #[must_use]
    pub fn for_path(
        info: &PathInfo,
        url: String,
        compression: Compression,
        file: Option<(Hash, u64)>,
        signatures: Vec<Signature>,
    ) -> Self {
        let (file_hash, file_size) = file.unzip();
        Self {
            store_path: info.path.clone(),
            url,
            compression,
            file_hash,
            file_size,
            nar_hash: info.nar_hash,
            nar_size: info.nar_size,
            references: info.references.clone(),
            deriver: info.deriver.clone(),
            signatures,
            ca: info.ca,
            provenance: info.provenance.clone(),
            unknown: info.unknown.clone(),
        }
    }

    /// The text its signatures sign.
    #[must_use]
    pub fn fingerprint(&self, store_dir: &StoreDir) -> String {
        fingerprint(store_dir, &self.store_path, &self.nar_hash, self.nar_size, &self.references)
    }
}
