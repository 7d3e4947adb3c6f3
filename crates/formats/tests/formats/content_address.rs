use proptest::prelude::*;
use rns_formats::{
    ContentAddress, ContentAddressError, ContentAddressPathError, Hash, HashError, Sha256Digest,
    StoreDir, StorePath, StorePathName,
};

use crate::arbitrary;
use crate::vectors::{entries, store_path, text, unhex};

fn references(dir: &StoreDir, vector: &serde_json::Value) -> Vec<StorePath> {
    let full_paths = vector["refs"].as_array().unwrap().iter();
    full_paths.map(|path| dir.parse_path(path.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn paths_are_where_nix_put_them() {
    let dir = StoreDir::default();
    for vector in entries("ca") {
        let path = dir.parse_path(text(&vector, "path")).unwrap();
        let ca = ContentAddress::parse(text(&vector, "ca")).unwrap();
        let references = references(&dir, &vector);
        let name = StorePathName::parse(path.name()).unwrap();
        assert_eq!(ca.store_path(&dir, &name, &references, false).unwrap(), path);
        assert!(ca.is_address_of(&dir, &path, &references));
        assert_eq!(ca.to_string(), text(&vector, "ca"));
    }
}

#[test]
fn addresses_are_hashes_of_the_contents() {
    for vector in entries("ca") {
        let ca = ContentAddress::parse(text(&vector, "ca")).unwrap();
        match (ca, vector["content"].as_str(), vector["nar"].as_str()) {
            (ContentAddress::Text(digest), Some(content), _) => {
                assert_eq!(digest, Sha256Digest::of(content.as_bytes()));
            }
            (ContentAddress::Flat(hash), Some(content), _) => {
                assert_eq!(hash, Sha256Digest::of(content.as_bytes()).into());
            }
            (ContentAddress::Nar(hash), _, Some(id)) => {
                let nars = entries("nar");
                let nar = nars.iter().find(|nar| text(nar, "id") == id).unwrap();
                let bytes = unhex(text(nar, "hex"));
                assert_eq!(Sha256Digest::of(&bytes).to_string(), text(nar, "narHash"));
                if let Ok(digest) = Sha256Digest::try_from(hash) {
                    assert_eq!(digest, Sha256Digest::of(&bytes));
                }
            }
            other => panic!("a vector of an unexpected kind: {other:?}"),
        }
    }
}

#[test]
fn the_path_depends_on_everything_it_is_computed_from() {
    let dir = StoreDir::default();
    let vectors = entries("ca");
    let vector = vectors.iter().find(|vector| text(vector, "path").ends_with("top.txt")).unwrap();
    let path = dir.parse_path(text(vector, "path")).unwrap();
    let ca = ContentAddress::parse(text(vector, "ca")).unwrap();
    let references = references(&dir, vector);
    let name = StorePathName::parse(path.name()).unwrap();
    let other_name = StorePathName::parse("top.tx").unwrap();
    let other_dir = StoreDir::parse("/foo/store").unwrap();
    let other_ca = ContentAddress::Text(Sha256Digest::of(b"other"));
    assert_ne!(ca.store_path(&dir, &name, &[], false).unwrap(), path);
    assert_ne!(ca.store_path(&other_dir, &name, &references, false).unwrap(), path);
    assert_ne!(other_ca.store_path(&dir, &name, &references, false).unwrap(), path);
    let elsewhere = ca.store_path(&dir, &other_name, &references, false).unwrap();
    assert_ne!(elsewhere.hash_part(), path.hash_part());
    assert!(!ca.is_address_of(&dir, &path, &[]));
    assert!(!ca.is_address_of(&dir, &elsewhere, &[]));
}

#[test]
fn order_and_repetition_of_references_do_not_matter() {
    let dir = StoreDir::default();
    let ca = ContentAddress::Text(Sha256Digest::of(b"text"));
    let name = StorePathName::parse("text").unwrap();
    let a = store_path("kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt");
    let b = store_path("6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt");
    let path = |references: &[StorePath]| ca.store_path(&dir, &name, references, false).unwrap();
    assert_eq!(path(&[a.clone(), b.clone()]), path(&[b.clone(), a.clone(), b]));
    assert_ne!(path(std::slice::from_ref(&a)), path(&[]));
}

#[test]
fn a_path_may_refer_to_itself_when_its_nar_is_addressed_by_sha256() {
    let dir = StoreDir::default();
    let ca = ContentAddress::Nar(Sha256Digest::of(b"a NAR").into());
    let name = StorePathName::parse("itself").unwrap();
    let path = ca.store_path(&dir, &name, &[], true).unwrap();
    assert_ne!(path, ca.store_path(&dir, &name, &[], false).unwrap());
    assert!(ca.is_address_of(&dir, &path, std::slice::from_ref(&path)));
    assert!(!ca.is_address_of(&dir, &path, &[]));
}

#[test]
fn methods_without_room_for_references_refuse_them() {
    let dir = StoreDir::default();
    let name = StorePathName::parse("name").unwrap();
    let other = [store_path("kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt")];
    let sha1 = Hash::parse("sha1:kpcd173cq987hw957sx6m0868wv3x6d9").unwrap();
    let sha256 = Hash::from(Sha256Digest::of(b""));
    for ca in [
        ContentAddress::Flat(sha256),
        ContentAddress::Flat(sha1),
        ContentAddress::Nar(sha1),
        ContentAddress::Git(sha1),
        ContentAddress::Git(sha256),
    ] {
        let refused = Err(ContentAddressPathError::ReferencesNotAllowed);
        assert_eq!(ca.store_path(&dir, &name, &other, false), refused, "{ca}");
        assert_eq!(ca.store_path(&dir, &name, &[], true), refused, "{ca}");
        assert!(ca.store_path(&dir, &name, &[], false).is_ok(), "{ca}");
    }
    let text = ContentAddress::Text(Sha256Digest::of(b""));
    let refused = Err(ContentAddressPathError::SelfReferenceNotAllowed);
    assert_eq!(text.store_path(&dir, &name, &[], true), refused);
}

#[test]
fn the_same_hash_by_another_method_is_another_path() {
    let dir = StoreDir::default();
    let name = StorePathName::parse("name").unwrap();
    let digest = Sha256Digest::of(b"");
    let sha1 = Hash::parse("sha1:kpcd173cq987hw957sx6m0868wv3x6d9").unwrap();
    let mut paths: Vec<_> = [
        ContentAddress::Text(digest),
        ContentAddress::Flat(digest.into()),
        ContentAddress::Nar(digest.into()),
        ContentAddress::Git(digest.into()),
        ContentAddress::Flat(sha1),
        ContentAddress::Nar(sha1),
        ContentAddress::Git(sha1),
    ]
    .iter()
    .map(|ca| ca.store_path(&dir, &name, &[], false).unwrap())
    .collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 7);
}

#[test]
fn hashes_may_be_hex_or_base64_but_not_sri() {
    let digest = Sha256Digest::of(b"hello\n");
    let expected = ContentAddress::Flat(digest.into());
    let base64 = digest.to_sri().replace('-', ":");
    for spelling in [format!("sha256:{}", digest.to_hex()), base64, digest.to_string()] {
        assert_eq!(ContentAddress::parse(&format!("fixed:{spelling}")).unwrap(), expected);
    }
    let sri = ContentAddress::parse(&format!("fixed:{}", digest.to_sri()));
    assert_eq!(sri, Err(ContentAddressError::InvalidHash(HashError::NoAlgorithm)));
}

#[test]
fn what_nix_does_not_write_is_refused() {
    let sha1 = "sha1:kpcd173cq987hw957sx6m0868wv3x6d9";
    for text in ["", "text", sha1, &format!("flat:{sha1}"), &format!("FIXED:{sha1}")] {
        assert_eq!(ContentAddress::parse(text), Err(ContentAddressError::UnknownMethod), "{text}");
    }
    for text in [&format!("text:{sha1}"), &format!("text:r:{sha1}"), "fixed:", "fixed:r:sha1:"] {
        let parsed = ContentAddress::parse(text);
        assert!(matches!(parsed, Err(ContentAddressError::InvalidHash(_))), "{text}");
    }
}

proptest! {
    #[test]
    fn reading_undoes_printing(ca in arbitrary::content_address()) {
        prop_assert_eq!(ContentAddress::parse(&ca.to_string()), Ok(ca));
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            "(text|fixed):(r:|git:)?(md5|sha1|sha256)[:-][0-9a-z]{0,70}",
            arbitrary::damaged(arbitrary::content_address().prop_map(|ca| ca.to_string())),
        ]
    ) {
        if let Ok(ca) = ContentAddress::parse(&text) {
            prop_assert_eq!(ContentAddress::parse(&ca.to_string()), Ok(ca));
        }
    }
}
