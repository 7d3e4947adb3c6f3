//! Hashes and nix32: every spelling of a hash is read as the same one.

use rns_formats::{Hash, Sha256Digest, nix32};

pub(crate) fn run(data: &[u8]) {
    assert_eq!(nix32::decode(&nix32::encode(data)).as_deref(), Ok(data));
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(bytes) = nix32::decode(text) {
        assert_eq!(nix32::encode(&bytes), text);
    }
    if let Ok(digest) = Sha256Digest::parse_nix32(text) {
        assert_eq!(digest.to_nix32(), text);
    }
    let Ok(hash) = Hash::parse(text) else { return };
    let hex = format!("{}:{}", hash.algorithm(), hash.to_hex());
    for spelling in [hash.to_string(), hash.to_sri(), hex] {
        assert_eq!(Hash::parse(&spelling), Ok(hash), "{spelling}");
    }
    if let Ok(digest) = Sha256Digest::parse(text) {
        assert_eq!(Hash::from(digest), hash);
    }
}
