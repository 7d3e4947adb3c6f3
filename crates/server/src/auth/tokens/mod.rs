//! Tokens: random secrets, of which the server knows only the hashes.

mod expiry;
mod file;
mod line;
mod name;
mod secret;
mod verified;

use std::{path::Path, sync::Arc, time::SystemTime};

use rns_cache::Pattern;

use self::verified::VerifiedHeaders;
use super::Principal;

pub(crate) use self::file::MAX_PATH_CHOICES;
pub use self::{
    expiry::{Expiry, ExpiryError},
    file::{
        LineProblems, TokenFileError, TokenFileProblem, load_tokens, parse_tokens, read_tokens,
        without_token,
    },
    line::{LineProblem, ShownWord, Token, patterns},
    name::{NotAName, TokenName},
    secret::{NotAToken, TokenDigest, TokenSecret},
};

/// The tokens that a cache knows.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Sorted by the keys of the digests.
    known: Vec<KnownToken>,
    verified: VerifiedHeaders,
}

/// A token that a cache knows.
#[derive(Clone, Debug)]
pub struct KnownToken {
    /// As the file has it.
    pub token: Token,
    /// The client that shows it.
    pub(crate) holder: Principal,
}

/// Why a secret opens nothing. The texts are for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongToken {
    /// It cannot be one.
    #[error("{0}")]
    NotAToken(#[from] NotAToken),
    /// It looks like one.
    #[error("unknown token")]
    Unknown,
    /// It was one.
    #[error("the token {0} has expired")]
    Expired(TokenName),
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// See [`TokenFileProblem`].
    pub fn load(path: &Path) -> Result<Self, TokenFileError> {
        load_tokens(path).map(Self::new)
    }

    fn new(tokens: Vec<Token>) -> Self {
        let mut known: Vec<KnownToken> = tokens.into_iter().map(KnownToken::new).collect();
        known.sort_by_key(|known| known.token.digest.key());
        Self { known, verified: VerifiedHeaders::default() }
    }

    /// The token with this secret.
    ///
    /// # Errors
    /// Why it is none.
    pub fn find(&self, secret: &[u8], now: SystemTime) -> Result<&KnownToken, WrongToken> {
        self.position(secret, now).map(|(_, known)| known)
    }

    /// As [`Self::find`]. The header with the token is remembered, so that the next such request can be answered sooner.
    pub(crate) fn verify(
        &self,
        secret: &[u8],
        header: &[u8],
        now: SystemTime,
    ) -> Result<&KnownToken, WrongToken> {
        let (index, known) = self.position(secret, now)?;
        self.verified.remember(header, index);
        Ok(known)
    }

    fn position(&self, secret: &[u8], now: SystemTime) -> Result<(usize, &KnownToken), WrongToken> {
        let digest = TokenSecret::parse(secret)?.digest();
        let first = self.known.partition_point(|known| known.token.digest.key() < digest.key());
        let alike = self.known.iter().enumerate().skip(first);
        let mut alike = alike.take_while(|(_, known)| known.token.digest.key() == digest.key());
        let found = alike.find(|(_, known)| known.token.digest.is(&digest));
        let (index, known) = found.ok_or(WrongToken::Unknown)?;
        if known.token.expires.is_over(now) {
            return Err(WrongToken::Expired(known.token.name.clone()));
        }
        Ok((index, known))
    }

    /// The token in a header that was verified since the file of tokens was read.
    pub(crate) fn verified(&self, header: &[u8], now: SystemTime) -> Option<&KnownToken> {
        let known = self.known.get(self.verified.index(header)?)?;
        (!known.token.expires.is_over(now)).then_some(known)
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.known.len()
    }

    /// The paths that their holders are confined to, each choice as often as it is named.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Arc<[Pattern]>> {
        self.known.iter().map(|known| &known.holder.paths).filter(|paths| !paths.is_empty())
    }
}

impl KnownToken {
    fn new(token: Token) -> Self {
        let holder = Principal {
            name: format!("token {}", token.name).into(),
            allow: token.allow,
            paths: token.paths.clone().into(),
        };
        Self { token, holder }
    }
}

#[cfg(test)]
mod tests;
