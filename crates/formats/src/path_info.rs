//! The metadata of a valid store path.

use crate::content_address::ContentAddress;
use crate::fingerprint::fingerprint;
use crate::hash::Sha256Digest;
use crate::provenance::Provenance;
use crate::signature::Signature;
use crate::store_path::{StoreDir, StorePath};

/// A store's record of a valid path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathInfo {
    /// The path itself.
    pub path: StorePath,
    /// SHA-256 of the path's NAR.
    pub nar_hash: Sha256Digest,
    /// Bytes in the path's NAR.
    pub nar_size: u64,
    /// The paths it refers to, perhaps itself among them; sorted and without duplicates.
    pub references: Vec<StorePath>,
    /// The derivation it was built from, when known. It need not be valid any more.
    pub deriver: Option<StorePath>,
    /// Signatures the store has on record.
    pub signatures: Vec<Signature>,
    /// How the path's name follows from its contents, for content-addressed paths.
    pub ca: Option<ContentAddress>,
    /// Where its contents come from, in stores that record it.
    pub provenance: Option<Provenance>,
    /// Fields of its narinfo that this program knows nothing of, where it has one. They are passed on.
    pub unknown: Vec<(String, String)>,
    /// Whether this store built the path itself.
    pub ultimate: bool,
    /// When the path became valid, in seconds since the Unix epoch.
    pub registration_time: u64,
}

impl PathInfo {
    /// The text a signature of this path signs.
    #[must_use]
    pub fn fingerprint(&self, store_dir: &StoreDir) -> String {
        fingerprint(store_dir, &self.path, &self.nar_hash, self.nar_size, &self.references)
    }

    /// Whether the content address leads to this very path, so that it needs no signature.
    ///
    /// This checks the name only; the contents must still match the content address.
    #[must_use]
    pub fn is_content_addressed(&self, store_dir: &StoreDir) -> bool {
        self.ca.as_ref().is_some_and(|ca| ca.is_address_of(store_dir, &self.path, &self.references))
    }
}
