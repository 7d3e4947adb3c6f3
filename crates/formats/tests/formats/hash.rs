use proptest::prelude::*;
use rns_formats::{Hash, HashAlgorithm, HashError, Sha256Digest, Sha256Hasher};

use crate::arbitrary;
use crate::vectors::{entries, text, unhex};

const EMPTY_NIX32: &str = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";

#[test]
fn every_spelling_nix_has_is_read() {
    for vector in entries("nix32") {
        let algorithm = text(&vector, "algo");
        let bytes = unhex(text(&vector, "hex"));
        for spelling in ["hex", "nix32", "base64"] {
            let hash = Hash::parse(&format!("{algorithm}:{}", text(&vector, spelling))).unwrap();
            assert_eq!(hash.as_bytes(), bytes, "{algorithm} {spelling}");
            assert_eq!(hash.to_string(), format!("{algorithm}:{}", text(&vector, "nix32")));
            assert_eq!(hash.to_hex(), text(&vector, "hex"));
        }
        let sri = format!("{algorithm}-{}", text(&vector, "base64"));
        assert_eq!(Hash::parse(&sri).unwrap().as_bytes(), bytes);
        assert_eq!(Hash::parse(&sri).unwrap().to_sri(), sri);
    }
}

#[test]
fn hashing_gives_the_digests_of_nix() {
    for vector in entries("nix32").iter().filter(|vector| text(vector, "algo") == "sha256") {
        let input = unhex(text(vector, "input_hex"));
        let digest = Sha256Digest::of(&input);
        assert_eq!(digest.to_nix32(), text(vector, "nix32"));
        assert_eq!(digest.to_hex(), text(vector, "hex"));
        let mut hasher = Sha256Hasher::new();
        input.chunks(2).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), digest);
    }
}

#[test]
fn upper_case_hex_is_hex() {
    let digest = Sha256Digest::of(b"");
    let upper = format!("sha256:{}", digest.to_hex().to_uppercase());
    assert_eq!(Sha256Digest::parse(&upper).unwrap(), digest);
}

#[test]
fn a_digest_must_name_its_algorithm() {
    assert_eq!(Hash::parse(EMPTY_NIX32), Err(HashError::NoAlgorithm));
    assert_eq!(Sha256Digest::parse(EMPTY_NIX32), Err(HashError::NoAlgorithm));
    assert_eq!(Hash::parse(&format!("sha257:{EMPTY_NIX32}")), Err(HashError::UnknownAlgorithm));
    assert_eq!(Hash::parse(&format!("SHA256:{EMPTY_NIX32}")), Err(HashError::UnknownAlgorithm));
    assert_eq!(Hash::parse(&format!(":{EMPTY_NIX32}")), Err(HashError::UnknownAlgorithm));
    assert_eq!(Hash::parse(""), Err(HashError::NoAlgorithm));
}

#[test]
fn a_digest_must_have_the_length_of_its_algorithm() {
    for digest in ["", "0", &EMPTY_NIX32[1..], &"a".repeat(63), &"a".repeat(128)] {
        let expected =
            HashError::InvalidLength { algorithm: HashAlgorithm::Sha256, length: digest.len() };
        assert_eq!(Hash::parse(&format!("sha256:{digest}")), Err(expected));
    }
    assert!(Hash::from_bytes(HashAlgorithm::Sha256, &[0; 20]).is_none());
    assert!(Hash::from_bytes(HashAlgorithm::Sha1, &[0; 32]).is_none());
}

#[test]
fn wrong_characters_are_refused_in_every_spelling() {
    let hex = format!("sha256:{}g", "0".repeat(63));
    assert_eq!(Hash::parse(&hex), Err(HashError::InvalidHex));
    let base64 = format!("sha256:{}!=", "A".repeat(42));
    assert_eq!(Hash::parse(&base64), Err(HashError::InvalidBase64));
    let nix32 = format!("sha256:{}", "e".repeat(52));
    assert!(matches!(Hash::parse(&nix32), Err(HashError::InvalidNix32(_))));
    for not_base64 in [Sha256Digest::of(b"").to_hex(), EMPTY_NIX32.to_owned()] {
        assert!(Hash::parse(&format!("sha256-{not_base64}")).is_err(), "{not_base64}");
    }
    let unpadded = format!("sha256-{}", "A".repeat(43));
    assert!(Hash::parse(&unpadded).is_err());
    let other_half_of_a_character = format!("sha256:{}é", "0".repeat(50));
    assert!(Hash::parse(&other_half_of_a_character).is_err());
}

#[test]
fn only_sha256_is_a_nar_hash() {
    let sha1 = "sha1:kpcd173cq987hw957sx6m0868wv3x6d9";
    let expected = HashError::NotSha256 { found: HashAlgorithm::Sha1 };
    assert_eq!(Sha256Digest::parse(sha1), Err(expected));
    let blake3 = format!("blake3:{EMPTY_NIX32}");
    let expected = HashError::NotSha256 { found: HashAlgorithm::Blake3 };
    assert_eq!(Sha256Digest::parse(&blake3), Err(expected));
}

#[test]
fn a_bare_digest_in_a_file_name_is_nix32_only() {
    let digest = Sha256Digest::of(b"");
    assert_eq!(Sha256Digest::parse_nix32(EMPTY_NIX32).unwrap(), digest);
    assert!(Sha256Digest::parse_nix32(&digest.to_hex()).is_err());
    assert!(Sha256Digest::parse_nix32(&digest.to_string()).is_err());
    assert!(Sha256Digest::parse_nix32(&EMPTY_NIX32.to_uppercase()).is_err());
}

proptest! {
    #[test]
    fn reading_undoes_each_spelling(hash in arbitrary::hash()) {
        prop_assert_eq!(Hash::parse(&hash.to_string()), Ok(hash));
        prop_assert_eq!(Hash::parse(&hash.to_sri()), Ok(hash));
        prop_assert_eq!(Hash::parse(&format!("{}:{}", hash.algorithm(), hash.to_hex())), Ok(hash));
        prop_assert_eq!(Hash::parse_prefixed(&hash.to_string()), Ok(hash));
        prop_assert!(Hash::parse_prefixed(&hash.to_sri()).is_err());
    }

    #[test]
    fn reading_undoes_each_spelling_of_sha256(digest in arbitrary::sha256()) {
        prop_assert_eq!(Sha256Digest::parse(&digest.to_string()), Ok(digest));
        prop_assert_eq!(Sha256Digest::parse(&digest.to_sri()), Ok(digest));
        prop_assert_eq!(Sha256Digest::parse(&format!("sha256:{}", digest.to_hex())), Ok(digest));
        prop_assert_eq!(Sha256Digest::parse_nix32(&digest.to_nix32()), Ok(digest));
        prop_assert_eq!(Sha256Digest::try_from(Hash::from(digest)), Ok(digest));
        prop_assert_eq!(Hash::from(digest).to_string(), digest.to_string());
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            "(md5|sha1|sha256|sha512|blake3)[:-][0-9a-zA-Z+/=]{0,130}",
            arbitrary::damaged(arbitrary::hash().prop_map(|hash| hash.to_sri())),
        ]
    ) {
        if let Ok(hash) = Hash::parse(&text) {
            prop_assert_eq!(Hash::parse(&hash.to_string()), Ok(hash));
        }
    }
}
