//! Tokens: random secrets, of which the server knows only the hashes.

mod expiry;
mod file;
mod line;
mod name;
mod secret;

use std::{path::Path, sync::Arc, time::SystemTime};

use rns_cache::Pattern;

use super::Principal;

pub use self::{
    expiry::{Expiry, ExpiryError},
    file::{
        LineProblems, TokenFileError, TokenFileProblem, load_tokens, parse_tokens, read_tokens,
        without_token,
    },
    line::{LineProblem, Shown, Token, patterns},
    name::{NotAName, TokenName},
    secret::{NotAToken, TokenDigest, TokenSecret},
};

/// The tokens that a cache knows.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Known>);

/// A token that a cache knows.
#[derive(Clone, Debug)]
pub struct Known {
    /// As the file has it.
    pub token: Token,
    /// Who it makes of those who show it.
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
        let mut known: Vec<Known> = tokens.into_iter().map(Known::new).collect();
        known.sort_by_key(|known| known.token.digest.key());
        Self(known)
    }

    /// The token that somebody shows.
    ///
    /// # Errors
    /// Why it is none.
    pub fn find(&self, secret: &[u8], now: SystemTime) -> Result<&Known, WrongToken> {
        let digest = TokenSecret::parse(secret)?.digest();
        let first = self.0.partition_point(|known| known.token.digest.key() < digest.key());
        let alike = self.0.iter().skip(first);
        let mut alike = alike.take_while(|known| known.token.digest.key() == digest.key());
        let known =
            alike.find(|known| known.token.digest.is(&digest)).ok_or(WrongToken::Unknown)?;
        if known.token.expires.is_over(now) {
            return Err(WrongToken::Expired(known.token.name.clone()));
        }
        Ok(known)
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// What their holders are confined to, each choice as often as it is named.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Arc<[Pattern]>> {
        self.0.iter().map(|known| &known.holder.paths).filter(|paths| !paths.is_empty())
    }
}

impl Known {
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
