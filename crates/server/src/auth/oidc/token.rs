//! Tokens that an issuer has signed (JSON Web Tokens).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, Validation, dangerous::insecure_decode_claims, decode, decode_header,
    errors::ErrorKind,
};
use serde_json::Value;

use super::{keys::IssuerKey, signature::ACCEPTED};

/// Clocks may differ by so many seconds.
pub(super) const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

/// A token of which nothing is known yet to be true.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    text: &'a str,
    pub(super) issuer: String,
    pub(super) key_id: Option<String>,
    pub(super) algorithm: Algorithm,
}

/// The problem of a token, for the operator.
pub(super) type Fault = &'static str;

/// Whether this is a token of this kind, however wrong: three parts, of which the first describes the signature.
pub(super) fn is_one(secret: &[u8]) -> bool {
    let mut parts = secret.split(|byte| *byte == b'.');
    let header = parts.next().and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let header = header.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    parts.count() == 2 && header.is_some_and(|header| header.is_object())
}

impl<'a> Unverified<'a> {
    pub(super) fn read(secret: &'a [u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(secret).map_err(|_| "an unreadable token of an issuer")?;
        let header =
            decode_header(text).map_err(|_| "a token of an issuer, signed in an unknown way")?;
        if !ACCEPTED.contains(&header.alg) {
            return Err("a token of an issuer, signed in a way that is not accepted");
        }
        if header.crit.is_some() {
            return Err("a token of an issuer that makes demands which are not understood here");
        }
        let claims: Value =
            insecure_decode_claims(text).map_err(|_| "an unreadable token of an issuer")?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        let issuer = issuer.ok_or("a token of an issuer that does not say which")?.to_owned();
        Ok(Self { text, issuer, key_id: header.kid, algorithm: header.alg })
    }

    /// Checks signature and times, and that the token is for one of these audiences. Returns its claims.
    pub(super) fn verify(&self, key: &IssuerKey, audiences: &[&str]) -> Result<Value, Fault> {
        let mut wanted = Validation::new(key.algorithm);
        wanted.leeway = MAX_CLOCK_SKEW_SECONDS;
        wanted.validate_nbf = true;
        wanted.set_issuer(&[&self.issuer]);
        wanted.set_audience(audiences);
        wanted.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims =
            decode::<Value>(self.text, &key.key, &wanted).map_err(|err| match err.kind() {
                ErrorKind::ExpiredSignature => "a token of an issuer that has expired",
                ErrorKind::ImmatureSignature => "a token of an issuer that is not valid yet",
                ErrorKind::InvalidAudience => "a token of an issuer for another audience",
                ErrorKind::InvalidSignature => "a token of an issuer with a wrong signature",
                ErrorKind::MissingRequiredClaim(_) => {
                    "a token of an issuer without exp, iss or aud"
                }
                _ => "a token of an issuer that is not as it should be",
            })?;
        match claims.claims.get("iat").map(Value::as_f64) {
            Some(Some(issued)) if issued > seconds() + MAX_CLOCK_SKEW_SECONDS as f64 => {
                Err("a token of an issuer from the future")
            }
            Some(None) => Err("a token of an issuer that is not as it should be"),
            _ => Ok(claims.claims),
        }
    }
}

/// When a token ends that was found good, in seconds.
pub(super) fn end(claims: &Value) -> f64 {
    claims.get("exp").and_then(Value::as_f64).unwrap_or_default() + MAX_CLOCK_SKEW_SECONDS as f64
}

/// Seconds since 1970.
pub(super) fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Whether a token that was found good is for this audience.
pub(super) fn is_for(claims: &Value, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    }
}
