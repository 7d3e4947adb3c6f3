//! The beginning of a hash part, which stands for it in indexes.

use rns_formats::HashPart;

/// The beginning of the hash part. Paths are hashes, so that these differ.
pub(crate) fn key(hash: &HashPart) -> u64 {
    let mut bytes = [0; 8];
    for (byte, from) in bytes.iter_mut().zip(hash.as_bytes()) {
        *byte = *from;
    }
    u64::from_be_bytes(bytes)
}
