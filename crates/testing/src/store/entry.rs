//! The description of one store path before it is put into a fixture store.

use rns_formats::{ContentAddress, HashPart, Sha256Digest, StorePath};

use crate::Tree;

/// One store path to be: its files and its row in the database.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) name: String,
    pub(super) tree: Tree,
    pub(super) hash_part: Option<HashPart>,
    pub(super) references: Vec<StorePath>,
    pub(super) self_reference: bool,
    pub(super) deriver: Option<String>,
    pub(super) signatures: Vec<String>,
    pub(super) ca: Option<ContentAddress>,
    pub(super) ultimate: bool,
    pub(super) registration_time: u64,
    pub(super) claimed: Option<(Sha256Digest, u64)>,
}

impl Entry {
    /// A path called `name` (the part after the hash) that holds `tree`: not content-addressed, not
    /// built here, without references, deriver or signatures. Its hash part follows from both.
    pub fn new(name: impl Into<String>, tree: Tree) -> Self {
        Self {
            name: name.into(),
            tree,
            hash_part: None,
            references: Vec::new(),
            self_reference: false,
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            ultimate: false,
            registration_time: 1_700_000_000,
            claimed: None,
        }
    }

    /// Gives the path this hash part.
    #[must_use]
    pub fn hash_part(mut self, hash_part: &str) -> Self {
        self.hash_part = Some(HashPart::parse(hash_part).unwrap());
        self
    }

    /// Lets the path refer to these.
    #[must_use]
    pub fn references<'a>(mut self, references: impl IntoIterator<Item = &'a StorePath>) -> Self {
        self.references.extend(references.into_iter().cloned());
        self
    }

    /// Lets the path refer to itself.
    #[must_use]
    pub const fn self_reference(mut self) -> Self {
        self.self_reference = true;
        self
    }

    /// Records the full path of the derivation that built the path.
    #[must_use]
    pub fn deriver(mut self, full_path: impl Into<String>) -> Self {
        self.deriver = Some(full_path.into());
        self
    }

    /// Adds a signature as the database would hold it, valid or not.
    #[must_use]
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.signatures.push(signature.into());
        self
    }

    /// Makes the path content-addressed; its hash part follows from the address.
    #[must_use]
    pub fn ca(mut self, ca: &str) -> Self {
        self.ca = Some(ContentAddress::parse(ca).unwrap());
        self
    }

    /// Marks the path as built on this machine.
    #[must_use]
    pub const fn ultimate(mut self) -> Self {
        self.ultimate = true;
        self
    }

    /// Registers another NAR hash and size than the files have: a damaged store.
    #[must_use]
    pub const fn claiming(mut self, nar_hash: Sha256Digest, nar_size: u64) -> Self {
        self.claimed = Some((nar_hash, nar_size));
        self
    }
}
