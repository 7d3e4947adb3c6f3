use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;
use rns_formats::{KeyName, KeyNameError, SecretKey, Signature, SignatureError, StoreDir};

use crate::arbitrary;
use crate::vectors::signed;

const VALID: &str = "test-1:2Mir/YS/CfsEfUa7bbxosNDw3ABDhS/U467xMRu2oVimWyvYSXm4qBYxb7RRVRuoQ4YKDoCLtkBppktWXxLJCA==";

#[test]
fn signing_gives_the_signatures_nix_made() {
    for vector in signed() {
        let fingerprint = vector.narinfo.fingerprint(&StoreDir::default());
        let signature = vector.secret.sign(&fingerprint);
        assert_eq!(vector.narinfo.signatures, [signature]);
    }
}

#[test]
fn signatures_nix_made_verify() {
    for vector in signed() {
        let fingerprint = vector.narinfo.fingerprint(&StoreDir::default());
        let signature = &vector.narinfo.signatures[0];
        assert!(vector.public.verify(&fingerprint, signature));
    }
}

#[test]
fn a_signature_is_of_one_text_by_one_key() {
    let vector = &signed()[0];
    let fingerprint = vector.narinfo.fingerprint(&StoreDir::default());
    let signature = vector.narinfo.signatures[0].clone();
    assert!(!vector.public.verify(format!("{fingerprint}x"), &signature));
    assert!(!vector.public.verify(&fingerprint[1..], &signature));
    for index in [0, 31, 32, 63] {
        let mut damaged = signature.clone();
        damaged.bytes[index] ^= 1;
        assert!(!vector.public.verify(&fingerprint, &damaged), "byte {index}");
    }
    let renamed = Signature { key: KeyName::parse("test-2").unwrap(), ..signature.clone() };
    assert!(!vector.public.verify(&fingerprint, &renamed));
    let namesake = SecretKey::from_seed(KeyName::parse("test-1").unwrap(), &[7; 32]);
    assert!(!namesake.public_key().verify(&fingerprint, &signature));
    assert!(!vector.public.verify(&fingerprint, &namesake.sign(&fingerprint)));
}

#[test]
fn a_malformed_signature_is_refused() {
    let base64 = VALID.strip_prefix("test-1:").unwrap();
    for (text, error) in [
        ("", SignatureError::NoColon),
        ("garbage", SignatureError::NoColon),
        (base64, SignatureError::NoColon),
        (&format!(":{base64}"), SignatureError::InvalidKeyName(KeyNameError::Empty)),
        (&format!(" k:{base64}"), SignatureError::InvalidKeyName(KeyNameError::WhiteSpace)),
        ("k:", SignatureError::EmptySignature),
        ("k:!", SignatureError::InvalidBase64),
        (&format!("k:{VALID}"), SignatureError::InvalidBase64),
        (&format!("{VALID}\n"), SignatureError::InvalidBase64),
        (VALID.trim_end_matches('='), SignatureError::InvalidBase64),
        // Bits after the last byte: another spelling of the same signature.
        (&VALID.replace("CA==", "CB=="), SignatureError::InvalidBase64),
        (&format!("k:{}", "AAAA".repeat(30_000)), SignatureError::TooLong { length: 90_000 }),
    ] {
        assert_eq!(Signature::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn a_signature_of_another_algorithm_is_read_and_written_as_it_is() {
    // As long as those of ECDSA over P-384, ML-DSA-65 and SLH-DSA-256f are.
    for length in [1, 96, 104, 3309, 49_856] {
        let text = format!("other-1:{}", BASE64_STANDARD.encode(vec![7; length]));
        let signature = Signature::parse(&text).unwrap();
        assert_eq!((signature.bytes.len(), signature.to_string()), (length, text));
        let namesake = SecretKey::from_seed(KeyName::parse("other-1").unwrap(), &[7; 32]);
        assert!(!namesake.public_key().verify("anything", &signature));
    }
}

#[test]
fn a_name_that_has_made_an_ed25519_signature_makes_no_others() {
    let valid = Signature::parse(VALID).unwrap();
    let other = Signature::parse("other-1:AAAA").unwrap();
    let text = format!("test-1:AAAA {other} {VALID} test-1:AAAAAAAA");
    assert_eq!(Signature::filter_valid(&text), [other, valid]);
}

#[test]
fn junk_in_a_database_is_passed_over() {
    let valid = Signature::parse(VALID).unwrap();
    let other_text = VALID.replace("test-1", "other-1");
    let other = Signature::parse(&other_text).unwrap();
    for (text, expected) in [
        ("", vec![]),
        ("   ", vec![]),
        ("garbage k:AA : :: k: :AAAA é:ü", vec![]),
        (VALID, vec![valid.clone()]),
        (&format!(" {VALID}\n"), vec![valid.clone()]),
        (&format!("garbage {VALID}  k:AA {VALID} {other_text}"), vec![valid, other]),
    ] {
        assert_eq!(Signature::filter_valid(text), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn reading_undoes_printing(signature in arbitrary::signature()) {
        prop_assert_eq!(Signature::parse(&signature.to_string()), Ok(signature));
    }

    #[test]
    fn what_a_key_signs_its_public_half_verifies(
        name in arbitrary::key_name(),
        seed: [u8; 32],
        message: Vec<u8>,
    ) {
        let key = SecretKey::from_seed(name, &seed);
        let signature = key.sign(&message);
        prop_assert!(key.public_key().verify(&message, &signature));
    }

    #[test]
    fn a_filtered_list_filters_to_itself(
        signatures in arbitrary::signatures(),
        junk in "[a-z+/= ]{0,20}",
    ) {
        let is_long = |signature: &Signature| signature.bytes.len() == 64;
        prop_assume!(signatures.iter().all(|one| {
            is_long(one) || !signatures.iter().any(|other| is_long(other) && other.key == one.key)
        }));
        let words: Vec<_> = signatures.iter().map(ToString::to_string).collect();
        let text = format!("{junk} {} {junk}", words.join(" "));
        prop_assert_eq!(Signature::filter_valid(&text), signatures);
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            arbitrary::damaged(arbitrary::signature().prop_map(|signature| signature.to_string())),
        ]
    ) {
        if let Ok(signature) = Signature::parse(&text) {
            prop_assert_eq!(signature.to_string(), &*text);
        }
        for signature in Signature::filter_valid(&text) {
            prop_assert!(text.contains(&signature.to_string()));
        }
    }
}
