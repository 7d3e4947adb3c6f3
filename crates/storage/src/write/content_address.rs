//! Whether a content address is true: such a path needs no signature, so a false one is refused.

use rns_cache::PublishError;
use rns_formats::{ContentAddress, Hash, HashAlgorithm, NarInfo, NarName};

use super::storage::{Storage, not_stored};
use crate::{
    index::IndexedNar,
    objects::ObjectKey,
    verify::{ContentHash, hash_stored},
};

/// Checks the content address of a narinfo, if it has one.
pub(super) async fn check(
    storage: &Storage,
    narinfo: &NarInfo,
    name: &NarName,
    nar: &IndexedNar,
) -> Result<(), PublishError> {
    let Some(ca) = &narinfo.ca else { return Ok(()) };
    let wrong = |why: &str| PublishError::Malformed {
        object: format!("the narinfo of {}", narinfo.store_path),
        why: format!("its content address {ca} is wrong: {why}"),
    };
    let store_dir = storage.reader.shared_store_dir();
    if !ca.is_address_of(store_dir, &narinfo.store_path, &narinfo.references) {
        return Err(wrong("it does not give this store path"));
    }
    let refers_to_itself = narinfo.references.contains(&narinfo.store_path);
    let (wanted, expected) = match ca {
        ContentAddress::Nar(hash)
            if hash.algorithm() == HashAlgorithm::Sha256 && !refers_to_itself =>
        {
            let is_right = *hash == Hash::from(nar.nar_hash);
            return if is_right { Ok(()) } else { Err(wrong("the NAR has another hash")) };
        }
        ContentAddress::Nar(hash) => {
            let itself = refers_to_itself.then(|| narinfo.store_path.hash_part());
            (ContentHash::Nar { algorithm: hash.algorithm(), itself }, *hash)
        }
        ContentAddress::Text(digest) => {
            (ContentHash::File { algorithm: HashAlgorithm::Sha256 }, Hash::from(*digest))
        }
        ContentAddress::Flat(hash) => (ContentHash::File { algorithm: hash.algorithm() }, *hash),
        ContentAddress::Git(_) => return Err(wrong("addresses of Git objects are not accepted")),
    };
    let key = ObjectKey::nar(name);
    let found =
        hash_stored(storage.objects(), &key, name.compression, wanted, &storage.decoder_memory)
            .await;
    match found.map_err(not_stored)? {
        Some(Ok(found)) if found.contains(&expected) => Ok(()),
        Some(Ok(_)) => Err(wrong("the contents have another hash")),
        Some(Err(rejection)) => Err(wrong(&rejection.to_string())),
        None => Err(PublishError::MissingNar { url: narinfo.url.clone() }),
    }
}
