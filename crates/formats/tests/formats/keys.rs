use proptest::prelude::*;
use rns_formats::{KeyName, KeyNameError, PublicKey, PublicKeyError, SecretKey, SecretKeyError};

use crate::arbitrary;
use crate::vectors::{entries, text};

fn secret_text() -> String {
    text(&entries("signature")[0], "secret").to_owned()
}

fn public_text() -> String {
    text(&entries("signature")[0], "public").to_owned()
}

#[test]
fn a_secret_key_nix_wrote_is_read_and_written_again() {
    let key = SecretKey::parse(&secret_text()).unwrap();
    assert_eq!(key.name().as_str(), "test-1");
    assert_eq!(key.public_key().to_string(), public_text());
    assert_eq!(*key.to_secret_string(), secret_text());
}

#[test]
fn white_space_around_a_key_is_ignored() {
    for text in [format!("{}\n", secret_text()), format!(" \t{}\r\n\n", secret_text())] {
        assert_eq!(*SecretKey::parse(&text).unwrap().to_secret_string(), secret_text());
    }
    assert_eq!(
        PublicKey::parse(&format!("{}\n", public_text())).unwrap().to_string(),
        public_text()
    );
}

#[test]
fn a_wrong_secret_key_is_refused_for_what_is_wrong() {
    let secret = secret_text();
    let base64 = secret.strip_prefix("test-1:").unwrap();
    let public = public_text();
    // The last digits spell the end of the public half.
    let mismatch = secret.replace("gwQ==", "gwA==");
    for (text, error) in [
        ("", SecretKeyError::NoColon),
        ("\n", SecretKeyError::NoColon),
        (base64, SecretKeyError::NoColon),
        (&format!(":{base64}"), SecretKeyError::InvalidName(KeyNameError::Empty)),
        (&format!("a b:{base64}"), SecretKeyError::InvalidName(KeyNameError::WhiteSpace)),
        (&format!("a:{secret}"), SecretKeyError::InvalidBase64),
        ("test-1:", SecretKeyError::InvalidLength { length: 0 }),
        ("test-1:?", SecretKeyError::InvalidBase64),
        (secret.trim_end_matches('='), SecretKeyError::InvalidBase64),
        (&format!("{secret} x"), SecretKeyError::InvalidBase64),
        ("test-1:AAAA", SecretKeyError::InvalidLength { length: 3 }),
        (&public, SecretKeyError::InvalidLength { length: 32 }),
        (&mismatch, SecretKeyError::PublicHalfMismatch),
    ] {
        assert_eq!(SecretKey::parse(text).unwrap_err(), error, "{text:?}");
    }
    let hint = SecretKey::parse(&public).unwrap_err().to_string();
    assert!(hint.contains("public key"), "{hint}");
}

#[test]
fn a_wrong_public_key_is_refused_for_what_is_wrong() {
    let public = public_text();
    let base64 = public.strip_prefix("test-1:").unwrap();
    let identity = format!("k:AQ{}=", "A".repeat(41));
    for (text, error) in [
        ("", PublicKeyError::NoColon),
        (base64, PublicKeyError::NoColon),
        (&format!(":{base64}"), PublicKeyError::InvalidName(KeyNameError::Empty)),
        ("k:?", PublicKeyError::InvalidBase64),
        ("k:AAAA", PublicKeyError::InvalidLength { length: 3 }),
        (&secret_text(), PublicKeyError::InvalidLength { length: 64 }),
        (&identity, PublicKeyError::InvalidKey),
    ] {
        assert_eq!(PublicKey::parse(text).unwrap_err(), error, "{text:?}");
    }
    let hint = PublicKey::parse(&secret_text()).unwrap_err().to_string();
    assert!(hint.contains("secret key"), "{hint}");
}

#[test]
fn neither_errors_nor_debug_output_show_a_secret_key() {
    let secret = secret_text();
    let base64 = secret.strip_prefix("test-1:").unwrap();
    let key = SecretKey::parse(&secret).unwrap();
    let mut shown = vec![format!("{key:?}"), format!("{key:#?}")];
    let broken = [
        base64.to_owned(),
        format!("a b:{base64}"),
        format!("{secret}!"),
        secret.replace("gwQ==", "gwA=="),
        secret.replace("==", ""),
    ];
    for error in broken.iter().map(|text| SecretKey::parse(text).unwrap_err()) {
        shown.push(error.to_string());
        shown.push(format!("{error:?}"));
    }
    for text in shown {
        let leaked = base64
            .as_bytes()
            .windows(5)
            .any(|part| text.contains(std::str::from_utf8(part).unwrap()));
        assert!(!leaked, "{text}");
        // Nor the bytes as numbers: the seed starts 79, 22.
        assert!(!text.contains("79"), "{text}");
    }
}

#[test]
fn key_names_cannot_be_confused_with_what_follows() {
    for name in ["cache.example.org-1", "a", "1", "ключ", "a/b", "a\"b"] {
        assert_eq!(KeyName::parse(name).unwrap().as_str(), name);
    }
    assert_eq!(KeyName::parse(""), Err(KeyNameError::Empty));
    assert_eq!(KeyName::parse("a:b"), Err(KeyNameError::Colon));
    for name in ["a b", "a\n", "\ta", "a\0", "a\u{a0}b", "a\u{85}"] {
        assert_eq!(KeyName::parse(name), Err(KeyNameError::WhiteSpace), "{name:?}");
    }
    for invisible in ['\u{200b}', '\u{feff}', '\u{202e}', '\u{ad}', '\u{2060}', '\u{e0041}'] {
        let error = Err(KeyNameError::Invisible(invisible));
        assert_eq!(KeyName::parse(&format!("cache{invisible}-1")), error);
    }
}

proptest! {
    #[test]
    fn a_key_from_a_seed_survives_being_written(name in arbitrary::key_name(), seed: [u8; 32]) {
        let key = SecretKey::from_seed(name.clone(), &seed);
        let again = SecretKey::parse(&key.to_secret_string()).unwrap();
        prop_assert_eq!(again.to_secret_string(), key.to_secret_string());
        let public = PublicKey::parse(&key.public_key().to_string()).unwrap();
        prop_assert_eq!(&public, &key.public_key());
        prop_assert_eq!(public.name(), &name);
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            "[a-z]{0,3}:[A-Za-z0-9+/]{40,90}={0,2}",
            arbitrary::damaged(Just(secret_text())),
            arbitrary::damaged(Just(public_text())),
        ]
    ) {
        if let Ok(key) = SecretKey::parse(&text) {
            prop_assert_eq!(&**key.to_secret_string(), text.trim());
        }
        if let Ok(key) = PublicKey::parse(&text) {
            prop_assert_eq!(key.to_string(), text.trim());
        }
    }
}
