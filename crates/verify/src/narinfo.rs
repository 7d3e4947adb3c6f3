//! A narinfo against the NAR that was uploaded with it.

use std::collections::HashSet;

use rns_cache::{PublishError, VerifiedNar};
use rns_formats::{
    Compression, ContentAddress, Hash, HashAlgorithm, NarInfo, NarName, Signature, StoreDir,
    url::{Resource, parse},
};

use crate::{ContentHash, NarRejection};

/// References that a path may have: clients write some hundreds.
const MAX_REFERENCES: usize = 20_000;

/// The length that the signatures of a path may have together, in bytes: every client downloads them with its narinfo. A dozen of
/// the longest algorithms have room.
const MAX_SIGNATURES_BYTES: usize = 64 << 10;

/// The name of the NAR that a narinfo of this kind of cache names; `None` when it is none of this cache.
#[must_use]
pub fn name_in_url(url: &str) -> Option<NarName> {
    if url.starts_with('/') || url.contains("..") {
        return None;
    }
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    match parse(&format!("/{path}"), query)? {
        Resource::Nar(name) => Some(name),
        _ => None,
    }
}

/// The name of the NAR that a narinfo names: one of those that can be uploaded.
///
/// # Errors
/// `Malformed` when it names no such NAR, or has more references than any client writes; `TooLarge` with more signatures than a
/// path may have.
pub fn uploaded_nar(narinfo: &NarInfo) -> Result<NarName, PublishError> {
    let malformed = |why: String| PublishError::Malformed {
        object: format!("the narinfo of {}", narinfo.store_path),
        why,
    };
    let name = name_in_url(&narinfo.url)
        .filter(|name| name.hash_part.is_none() && name.canonical_url() == narinfo.url)
        .ok_or_else(|| {
            malformed(format!("its URL \"{}\" is not that of an upload", narinfo.url))
        })?;
    // Clients name a NAR that they compress with gzip as if it were not compressed.
    let is_nameless =
        name.compression == Compression::None && narinfo.compression == Compression::Gzip;
    if name.compression != narinfo.compression && !is_nameless {
        return Err(malformed(format!(
            "its URL ends as if compressed with {}, it says {}",
            name.compression, narinfo.compression
        )));
    }
    if narinfo.references.len() > MAX_REFERENCES {
        return Err(malformed(format!("it has more than {MAX_REFERENCES} references")));
    }
    new_signatures(&[], narinfo)?;
    Ok(name)
}

/// The signatures of an uploaded narinfo that its path does not have yet, each once.
///
/// # Errors
/// `TooLarge` when the path would have more than every client can be made to download.
pub fn new_signatures(
    known: &[Signature],
    narinfo: &NarInfo,
) -> Result<Vec<Signature>, PublishError> {
    let mut seen: HashSet<String> = known.iter().map(ToString::to_string).collect();
    let is_new = |signature: &&Signature| seen.insert(signature.to_string());
    let new: Vec<Signature> = narinfo.signatures.iter().filter(is_new).cloned().collect();
    if !new.is_empty() && seen.iter().map(String::len).sum::<usize>() > MAX_SIGNATURES_BYTES {
        return Err(PublishError::TooLarge {
            object: format!("the signatures of {}", narinfo.store_path),
            limit: MAX_SIGNATURES_BYTES as u64,
        });
    }
    Ok(new)
}

/// Whether a narinfo agrees with its NAR.
///
/// # Errors
/// `Mismatch` with the first difference.
pub fn agree(narinfo: &NarInfo, nar: &VerifiedNar) -> Result<(), PublishError> {
    let mismatch = |what: &str, expected: String, found: String| PublishError::Mismatch {
        object: format!("the NAR of {}", narinfo.store_path),
        expected: format!("{what} {expected}"),
        found: format!("{what} {found}"),
    };
    if narinfo.nar_hash != nar.nar_hash {
        let (expected, found) = (narinfo.nar_hash.to_nix32(), nar.nar_hash.to_nix32());
        return Err(mismatch("NarHash", expected, found));
    }
    if narinfo.nar_size != nar.nar_size {
        return Err(mismatch("NarSize", narinfo.nar_size.to_string(), nar.nar_size.to_string()));
    }
    // A file is its NAR exactly where it is not compressed; the name of a gzip file does not say so.
    let is_plain = nar.file_hash == nar.nar_hash;
    if is_plain != (narinfo.compression == Compression::None) {
        let found = if is_plain { "none" } else { "another one" };
        let expected = narinfo.compression.to_string();
        return Err(mismatch("Compression", expected, found.to_owned()));
    }
    if narinfo.file_hash.is_some_and(|hash| hash != nar.file_hash.into()) {
        let expected = narinfo.file_hash.map(|hash| hash.to_string()).unwrap_or_default();
        return Err(mismatch("FileHash", expected, nar.file_hash.to_nix32()));
    }
    if let Some(size) = narinfo.file_size.filter(|size| *size != nar.file_size) {
        return Err(mismatch("FileSize", size.to_string(), nar.file_size.to_string()));
    }
    Ok(())
}

/// The content address of a narinfo, of which only a look at the contents can say whether it is true. A path with one
/// needs no signature, so a false one must be refused.
#[derive(Clone, Debug)]
pub struct AddressClaim {
    /// The hash that decides.
    pub wanted: ContentHash,
    object: String,
    address: ContentAddress,
    expected: Hash,
}

impl AddressClaim {
    /// The claim of a narinfo. `None` when there is none, or name and NAR hash have shown that it is true.
    ///
    /// # Errors
    /// `Malformed` when the address does not give this store path, or is not that of this NAR.
    pub fn of(
        narinfo: &NarInfo,
        store_dir: &StoreDir,
        nar: &VerifiedNar,
    ) -> Result<Option<Self>, PublishError> {
        let Some(address) = narinfo.ca else { return Ok(None) };
        let object = format!("the narinfo of {}", narinfo.store_path);
        let wrong = |why: &str| Err(wrong(&object, &address, why));
        if !address.is_address_of(store_dir, &narinfo.store_path, &narinfo.references) {
            return wrong("it does not give this store path");
        }
        let refers_to_itself = narinfo.references.contains(&narinfo.store_path);
        let (wanted, expected) = match address {
            ContentAddress::Nar(hash)
                if hash.algorithm() == HashAlgorithm::Sha256 && !refers_to_itself =>
            {
                let is_right = hash == Hash::from(nar.nar_hash);
                return if is_right { Ok(None) } else { wrong("the NAR has another hash") };
            }
            ContentAddress::Nar(hash) => {
                let itself = refers_to_itself.then(|| narinfo.store_path.hash_part());
                (ContentHash::Nar { algorithm: hash.algorithm(), itself }, hash)
            }
            ContentAddress::Text(digest) => {
                (ContentHash::File { algorithm: HashAlgorithm::Sha256 }, Hash::from(digest))
            }
            ContentAddress::Flat(hash) => (ContentHash::File { algorithm: hash.algorithm() }, hash),
            ContentAddress::Git(_) => return wrong("addresses of Git objects are not accepted"),
        };
        Ok(Some(Self { wanted, object, address, expected }))
    }

    /// Whether the claim is true, by the hashes of the contents, of which each form that clients have written counts.
    ///
    /// # Errors
    /// `Malformed` when it is not.
    pub fn settle(&self, found: Result<Vec<Hash>, NarRejection>) -> Result<(), PublishError> {
        match found {
            Ok(found) if found.contains(&self.expected) => Ok(()),
            Ok(_) => Err(wrong(&self.object, &self.address, "the contents have another hash")),
            Err(rejection) => Err(wrong(&self.object, &self.address, &rejection.to_string())),
        }
    }
}

fn wrong(object: &str, address: &ContentAddress, why: &str) -> PublishError {
    PublishError::Malformed {
        object: object.to_owned(),
        why: format!("its content address {address} is wrong: {why}"),
    }
}
