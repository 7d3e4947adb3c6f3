//! Key files: read back as written, never shown, and good for a signature.

use rns_formats::{KeyName, PublicKey, SecretKey};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(name) = KeyName::parse(text) {
        assert_eq!(name.as_str(), text);
        assert!(!text.is_empty() && !text.contains(':'));
    }
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    }
    let Ok(key) = SecretKey::parse(text) else { return };
    let written = key.to_secret_string();
    let secret = written.split_once(':').expect("name and key").1;
    // A name is shown, even one that was made of the secret.
    let name = key.name().as_str();
    assert!(name.contains(secret) || !format!("{key:?}").contains(secret));
    let read = SecretKey::parse(&written).expect("what is written is valid");
    assert_eq!(read.public_key(), key.public_key());
    assert!(key.public_key().verify("message", &read.sign("message")));
}
