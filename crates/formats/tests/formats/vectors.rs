//! Texts that Nix 2.8 wrote, from `tests/data/vectors.json`.

use rns_formats::{NarInfo, PublicKey, SecretKey, StoreDir, StorePath};
use serde_json::Value;

/// The entries of one kind.
pub(crate) fn entries(kind: &str) -> Vec<Value> {
    let text = include_str!("../../../../tests/data/vectors.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let entries = vectors[kind].as_array().unwrap();
    assert!(!entries.is_empty());
    entries.clone()
}

pub(crate) fn text<'a>(entry: &'a Value, member: &str) -> &'a str {
    entry[member].as_str().unwrap()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

pub(crate) fn store_path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

/// A signed narinfo, the key that signed it, and its public half.
pub(crate) struct Signed {
    pub(crate) text: String,
    pub(crate) narinfo: NarInfo,
    pub(crate) secret: SecretKey,
    pub(crate) public: PublicKey,
}

pub(crate) fn signed() -> Vec<Signed> {
    entries("signature").iter().map(Signed::from_entry).collect()
}

impl Signed {
    fn from_entry(entry: &Value) -> Self {
        let narinfo = text(entry, "narinfo");
        Self {
            text: narinfo.to_owned(),
            narinfo: NarInfo::parse(narinfo, &StoreDir::default()).unwrap(),
            secret: SecretKey::parse(text(entry, "secret")).unwrap(),
            public: PublicKey::parse(text(entry, "public")).unwrap(),
        }
    }
}

/// The narinfo of a text file with one reference, which the mutations start from.
pub(crate) fn top() -> Signed {
    signed().into_iter().find(|signed| signed.narinfo.store_path.name() == "top.txt").unwrap()
}
