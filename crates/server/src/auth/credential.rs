//! The credential in a request.

use actix_web::http::header::{self, HeaderMap};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

/// The longest header that is looked at, in bytes. Tokens of CI services have two or three thousand.
const MAX_CREDENTIAL_BYTES: usize = 16 << 10;

/// The credential in a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A secret: the password of HTTP Basic with any login, which is how stock Nix sends the entry of a netrc
    /// file; or a bearer token.
    Secret(Secret),
    /// Something that cannot be one.
    Unreadable,
}

/// A secret that a client has sent. It is not shown in any message, and erased after use.
#[derive(PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Credential {
    /// Reads the header `Authorization`. Two of them are one too many.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Self::None };
        let is_one = headers.get_all(header::AUTHORIZATION).nth(1).is_none();
        is_one
            .then(|| value.to_str().ok())
            .flatten()
            .and_then(secret)
            .map_or(Self::Unreadable, |secret| Self::Secret(Secret(Zeroizing::new(secret))))
    }
}

fn secret(value: &str) -> Option<Vec<u8>> {
    if value.len() > MAX_CREDENTIAL_BYTES {
        return None;
    }
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    let secret = if scheme.eq_ignore_ascii_case("bearer") {
        rest.as_bytes().to_vec()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = Zeroizing::new(BASE64_STANDARD.decode(rest).ok()?);
        let colon = pair.iter().position(|byte| *byte == b':')?;
        pair.get(colon + 1..)?.to_vec()
    } else {
        return None;
    };
    (!secret.is_empty()).then_some(secret)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HeaderValue};

    use super::*;

    fn shown(values: &[&str]) -> Credential {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        Credential::of(&headers)
    }

    fn is_secret(credential: &Credential, secret: &[u8]) -> bool {
        matches!(credential, Credential::Secret(found) if found.bytes() == secret)
    }

    #[test]
    fn the_password_counts_and_the_login_does_not() {
        // `any:s3cr:et` and `:s3cr:et`
        assert!(is_secret(&shown(&["Basic YW55OnMzY3I6ZXQ="]), b"s3cr:et"));
        assert!(is_secret(&shown(&["basic  OnMzY3I6ZXQ="]), b"s3cr:et"));
        assert!(is_secret(&shown(&["Bearer s3cret"]), b"s3cret"));
    }

    #[test]
    fn what_is_no_credential_is_not_taken_for_none() {
        assert_eq!(shown(&[]), Credential::None);
        for bad in ["", "Basic", "Basic !", "Basic YW55", "Basic YW55Og==", "Digest x", "Bearer "] {
            assert_eq!(shown(&[bad]), Credential::Unreadable, "{bad:?}");
        }
        assert_eq!(shown(&["Bearer a", "Bearer b"]), Credential::Unreadable);
        assert_eq!(
            shown(&[&format!("Bearer {}", "x".repeat(MAX_CREDENTIAL_BYTES))]),
            Credential::Unreadable
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", shown(&["Bearer s3cret"])).contains("s3cret"));
    }
}
