//! The public keys of an issuer (a JSON Web Key Set).

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

use super::error::KeySetError;

/// Most keys that are looked at; issuers have a handful.
const MAX_KEYS: usize = 64;

/// A public key.
#[derive(Debug)]
pub(super) struct IssuerKey {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// The keys that an issuer signs with, as far as their kind is accepted.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Arc<IssuerKey>>);

impl KeySet {
    /// Reads the keys that an issuer publishes. Keys for other purposes or of other kinds are passed over.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: Value = serde_json::from_slice(json)?;
        let list = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoList)?;
        let keys: Vec<_> =
            list.iter().take(MAX_KEYS).filter_map(IssuerKey::read).map(Arc::new).collect();
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable { total: list.len() });
        }
        Ok(Self(keys))
    }

    /// The key that a token says it is signed with. A token that names none can only mean the only one of its kind.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Arc<IssuerKey>> {
        let mut of_kind = self.0.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(id) => of_kind.find(|key| key.id.as_deref() == Some(id)),
            None => of_kind.next().filter(|_| of_kind.next().is_none()),
        }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl IssuerKey {
    fn read(json: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json.clone()).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let about = &jwk.common;
        let is_for_signatures =
            about.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
                && about
                    .key_operations
                    .as_ref()
                    .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let is_for_this =
            about.key_algorithm.is_none_or(|said| said == KeyAlgorithm::from(algorithm));
        if !is_for_signatures || !is_for_this {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(keys: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn ed25519(id: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let (x, id) = (ed25519("a")["x"].clone(), "b");
        let keys = parse(&json!([
            { "kty": "oct", "kid": id, "k": "c2VjcmV0", "alg": "HS256" },
            { "kty": "EC", "crv": "P-384", "kid": id, "x": x, "y": x },
            { "kty": "OKP", "crv": "Ed25519", "kid": id, "use": "enc", "x": x },
            { "kty": "RSA", "kid": id, "alg": "RS512", "n": "AQAB", "e": "AQAB" },
            { "kty": "future", "kid": id },
            7,
            ed25519("a"),
        ]));
        let keys = keys.unwrap();
        assert_eq!(keys.len(), 1);
        assert!(keys.find(Some("a"), Algorithm::EdDSA).is_some());
        assert!(keys.find(Some("a"), Algorithm::RS256).is_none(), "the kind of a key is its own");
        assert!(keys.find(Some("b"), Algorithm::EdDSA).is_none());
    }

    #[test]
    fn a_token_that_names_no_key_means_the_only_one() {
        assert!(parse(&json!([ed25519("a")])).unwrap().find(None, Algorithm::EdDSA).is_some());
        let two = parse(&json!([ed25519("a"), ed25519("b")])).unwrap();
        assert!(two.find(None, Algorithm::EdDSA).is_none());
    }

    #[test]
    fn what_is_no_set_of_keys_says_why() {
        assert!(KeySet::parse(b"<html>").unwrap_err().to_string().contains("no JSON"));
        assert!(KeySet::parse(b"{}").unwrap_err().to_string().contains("no list of keys"));
        assert!(
            parse(&json!([{ "kty": "oct", "k": "" }])).unwrap_err().to_string().contains("RS256")
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_published_is_too_strange(bytes: Vec<u8>, x in ".{0,40}", kty in "RSA|EC|OKP|oct") {
            let _ = KeySet::parse(&bytes);
            let _ = parse(&json!([{ "kty": kty, "crv": "P-256", "x": x, "y": x, "n": x, "e": x, "k": x }]));
        }
    }
}
