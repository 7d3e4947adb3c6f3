//! Tokens, and their digests.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rns_formats::Sha256Digest;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The beginning of every token, so that people and scanners of repositories recognise one.
pub(super) const PREFIX: &str = "rns_";

/// Random bytes of a token.
const BYTES: usize = 32;

/// Characters of a token: the prefix and the bytes in base64url without padding.
const LENGTH: usize = PREFIX.len() + (BYTES * 4).div_ceil(3);

/// A token: 256 random bits as `rns_` and 43 characters of base64url. Not shown by `Debug`, and erased after use.
pub struct TokenSecret(Zeroizing<String>);

/// Why a text is no token. It does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// It begins with something else.
    #[error("a token begins with `{PREFIX}`")]
    Prefix,
    /// Something is missing, or there is too much.
    #[error("a token has {LENGTH} characters, and this has {0}")]
    Length(usize),
    /// The bits are not in base64url.
    #[error("there are characters in it that no token has")]
    Digits,
}

impl TokenSecret {
    /// The token of these bytes, which must come from the operating system.
    #[must_use]
    pub fn from_random(bytes: &[u8; BYTES]) -> Self {
        // With room for everything, no copy is left behind.
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        Self(Zeroizing::new(text))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &[u8]) -> Result<Self, NotAToken> {
        let digits = text.strip_prefix(PREFIX.as_bytes()).ok_or(NotAToken::Prefix)?;
        if text.len() != LENGTH {
            return Err(NotAToken::Length(text.len()));
        }
        let mut bytes = Zeroizing::new([0; BYTES]);
        BASE64_URL_SAFE_NO_PAD
            .decode_slice(digits, bytes.as_mut_slice())
            .map_err(|_| NotAToken::Digits)?;
        Ok(Self::from_random(&bytes))
    }

    /// The token as clients send it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its digest, which is kept.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256Digest::of(self.0.as_bytes()))
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// The SHA-256 of a token's text. A slow hash would gain nothing: 256 random bits cannot be guessed.
#[derive(Clone, Copy, Debug)]
pub struct TokenDigest(Sha256Digest);

impl TokenDigest {
    /// Reads `sha256:` and 64 hex digits, or another usual spelling of such a hash.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Sha256Digest::parse(text).ok().map(Self)
    }

    /// Whether both are of the same token, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The first bits, to sort and to look up by. A holder can choose the first bits of a token's hash only by
    /// trying.
    pub(super) fn key(&self) -> u64 {
        self.0.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

/// `sha256:` and 64 hex digits.
impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let secret = TokenSecret::from_random(&[7; 32]);
        assert_eq!(secret.as_str(), "rns_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        let again = TokenSecret::parse(secret.as_str().as_bytes()).unwrap();
        assert!(again.digest().is(&secret.digest()));
        assert!(!again.digest().is(&TokenSecret::from_random(&[8; 32]).digest()));
    }

    #[test]
    fn the_hash_is_that_of_the_text_as_other_programs_make_it() {
        // `printf %s rns_… | sha256sum`
        assert_eq!(
            TokenSecret::from_random(&[7; 32]).digest().to_string(),
            "sha256:29617a89040a6eab4fbada87e16dc7657194194e18b6fc9cc08d0b4c918dd44f"
        );
    }

    #[test]
    fn what_is_no_token_is_told_from_a_spoilt_one() {
        let good = TokenSecret::from_random(&[7; 32]);
        let (text, error) =
            (good.as_str(), |text: String| TokenSecret::parse(text.as_bytes()).err());
        assert_eq!(error("s3cret".to_owned()), Some(NotAToken::Prefix));
        assert_eq!(error(text.to_uppercase()), Some(NotAToken::Prefix));
        assert_eq!(error(format!("{text}\n")), Some(NotAToken::Length(48)));
        assert_eq!(error(text.replace("Bwc", "")), Some(NotAToken::Length(14)));
        assert_eq!(error(text.replacen('B', "+", 1)), Some(NotAToken::Digits));
        // The last character holds two bits that are always zero.
        assert_eq!(error(text.replace("Bwc", "Bwd")), Some(NotAToken::Digits));
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", TokenSecret::from_random(&[7; 32])).contains("Bwc"));
    }
}
