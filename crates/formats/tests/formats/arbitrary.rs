//! Strategies for every type with a spelling.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use rns_formats::{
    CacheInfo, Compression, ContentAddress, DrvOutputId, Hash, HashAlgorithm, HashPart, KeyName,
    NarInfo, PathInfo, Provenance, Sha256Digest, Signature, StoreDir, StorePath, StorePathName,
};

pub(crate) fn sha256() -> impl Strategy<Value = Sha256Digest> {
    any::<[u8; 32]>().prop_map(Sha256Digest::from_bytes)
}

pub(crate) fn algorithm() -> impl Strategy<Value = HashAlgorithm> {
    use HashAlgorithm::{Blake3, Md5, Sha1, Sha256, Sha512};
    proptest::sample::select(vec![Md5, Sha1, Sha256, Sha512, Blake3])
}

pub(crate) fn hash() -> impl Strategy<Value = Hash> {
    (algorithm(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(algorithm, low, high)| {
        let bytes = [low, high].concat();
        Hash::from_bytes(algorithm, &bytes[..algorithm.digest_len()]).unwrap()
    })
}

pub(crate) fn store_dir() -> impl Strategy<Value = StoreDir> {
    "(/[a-zA-Z0-9_-][a-zA-Z0-9._+~-]{0,8}){1,4}".prop_map(|dir| StoreDir::parse(&dir).unwrap())
}

pub(crate) fn hash_part() -> impl Strategy<Value = HashPart> {
    any::<[u8; 20]>().prop_map(HashPart::from_bytes)
}

pub(crate) fn name() -> impl Strategy<Value = StorePathName> {
    prop_oneof![
        "[a-z][0-9A-Za-z+._?=-]{0,20}",
        "[0-9A-Za-z+._?=-]{1,211}",
        "[a-z]{1,8}\\.drv",
        "\\.[a-z.-]{1,3}",
    ]
    .prop_filter_map("not a name", |text| StorePathName::parse(&text).ok())
}

pub(crate) fn store_path() -> impl Strategy<Value = StorePath> {
    (hash_part(), name()).prop_map(|(hash, name)| StorePath::from_parts(hash, &name))
}

pub(crate) fn references() -> impl Strategy<Value = Vec<StorePath>> {
    btree_set(store_path(), 0..6).prop_map(|set| set.into_iter().collect())
}

pub(crate) fn key_name() -> impl Strategy<Value = KeyName> {
    prop_oneof!["[a-z][a-z0-9.-]{0,20}", "[^:\\s\\p{Cc}]{1,10}"]
        .prop_filter_map("not a name", |text| KeyName::parse(&text).ok())
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    let len = prop_oneof![4 => Just(64_usize), 1 => 1_usize..200];
    let bytes = len.prop_flat_map(|len| vec(any::<u8>(), len));
    (key_name(), bytes).prop_map(|(key, bytes)| Signature { key, bytes: bytes.into() })
}

pub(crate) fn signatures() -> impl Strategy<Value = Vec<Signature>> {
    btree_set(signature(), 0..4).prop_map(|set| set.into_iter().collect())
}

pub(crate) fn content_address() -> impl Strategy<Value = ContentAddress> {
    prop_oneof![
        sha256().prop_map(ContentAddress::Text),
        hash().prop_map(ContentAddress::Flat),
        hash().prop_map(ContentAddress::Nar),
        hash().prop_map(ContentAddress::Git),
    ]
}

pub(crate) fn provenance() -> impl Strategy<Value = Provenance> {
    prop_oneof!["[1-9]{1,5}", "\\{\"type\":\"[a-zé ]{0,9}\"\\}", "\\[null, \"[a-z]{0,40}\"\\] ?"]
        .prop_map(|text| Provenance::parse(&text).unwrap())
}

pub(crate) fn path_info() -> impl Strategy<Value = PathInfo> {
    (
        (store_path(), sha256(), 1_u64.., references(), proptest::option::of(store_path())),
        (
            signatures(),
            proptest::option::of(content_address()),
            proptest::option::of(provenance()),
            any::<bool>(),
            any::<u64>(),
        ),
    )
        .prop_map(
            |(
                (path, nar_hash, nar_size, references, deriver),
                (signatures, ca, provenance, ultimate, registration_time),
            )| PathInfo {
                path,
                nar_hash,
                nar_size,
                references,
                deriver,
                signatures,
                ca,
                provenance,
                unknown: Vec::new(),
                ultimate,
                registration_time,
            },
        )
}

/// Fields no client knows; the name may be empty and the value anything on one line.
pub(crate) fn unknown_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("([A-Z][a-z]{0,3}X)?", "\\S[^\n\r]{0,8}\\S|\\S?"), 0..3)
}

pub(crate) fn narinfo() -> impl Strategy<Value = NarInfo> {
    let file = proptest::option::of((hash(), any::<u64>()));
    let compression = proptest::sample::select(Compression::ALL.to_vec());
    (path_info(), "[^\n]{1,60}", compression, file, unknown_fields()).prop_map(
        |(info, url, compression, file, unknown)| NarInfo {
            unknown,
            ..NarInfo::for_path(&info, url, compression, file, info.signatures.clone())
        },
    )
}

pub(crate) fn cache_info() -> impl Strategy<Value = CacheInfo> {
    (store_dir(), any::<bool>(), any::<i32>(), unknown_fields()).prop_map(
        |(store_dir, want_mass_query, priority, unknown)| CacheInfo {
            store_dir,
            want_mass_query,
            priority,
            unknown,
        },
    )
}

pub(crate) fn drv_output_id() -> impl Strategy<Value = DrvOutputId> {
    (sha256(), name()).prop_map(|(drv_hash, output_name)| DrvOutputId { drv_hash, output_name })
}

/// A text that once was a valid one: characters replaced, inserted and removed.
pub(crate) fn damaged(valid: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let wounds = vec((any::<prop::sample::Index>(), 0..3, any::<char>()), 1..4);
    (valid, wounds).prop_map(|(valid, wounds)| {
        let mut chars: Vec<char> = valid.chars().collect();
        for (index, kind, other) in wounds {
            // Wounds are likelier to matter with characters the formats give a meaning to.
            let with = match other as u32 % 8 {
                0 => '\n',
                1 => ':',
                2 => ' ',
                3 => '-',
                _ => other,
            };
            match kind {
                _ if chars.is_empty() => chars.push(with),
                0 => *index.get_mut(&mut chars) = with,
                1 => chars.insert(index.index(chars.len()), with),
                _ => drop(chars.remove(index.index(chars.len()))),
            }
        }
        chars.into_iter().collect()
    })
}
