//! One token as a line of text: `ci sha256:… allow=read,push expires=2027-02-19T10:00:00Z paths=hello-*`.

use std::fmt;

use rns_cache::{Pattern, PatternError};

use super::{Expiry, ExpiryError, NotAName, TokenDigest, TokenName, secret::PREFIX};
use crate::auth::{Permissions, UnknownPermission};

/// A token, as its line describes it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its name.
    pub name: TokenName,
    /// The hash of its text.
    pub digest: TokenDigest,
    /// The permissions of its holder.
    pub allow: Permissions,
    /// Until when.
    pub expires: Expiry,
    /// Only paths with such names, and their references. Empty: everything that the cache shows.
    pub paths: Vec<Pattern>,
}

/// The problem of a line. It never shows a text that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The token itself is in the file.
    #[error(
        "here is a token itself; only its hash belongs into the file. Each reader of the file can use the token: \
         make a new one and remove this line"
    )]
    HoldsAToken,
    /// The first word.
    #[error("{0}")]
    Name(#[from] NotAName),
    /// The second word.
    #[error("expected `sha256:` and 64 hex digits behind the name")]
    Digest,
    /// There is no `allow=`.
    #[error("it gives the token no permission; expected something like allow=read")]
    NoAllow,
    /// The value of `allow=`.
    #[error(transparent)]
    Allow(#[from] UnknownPermission),
    /// The value of `expires=`.
    #[error("expires: {0}")]
    Expires(#[from] ExpiryError),
    /// The value of `paths=`.
    #[error("paths: {0}")]
    Paths(#[from] PatternError),
    /// The end of the file is the end of the line.
    #[error(
        "it does not end with a newline, so it may have been cut; end the file with one when it is whole"
    )]
    Unfinished,
    /// A word that means nothing here.
    #[error("{0} means nothing here; after name and hash there can be allow=, expires= and paths=")]
    Unknown(ShownWord),
    /// The same again.
    #[error("{0}= is there twice")]
    Twice(&'static str),
    /// Another line has this name.
    #[error("the name {name} is taken by line {line} already")]
    NameTaken {
        /// The name.
        name: TokenName,
        /// The other line.
        line: usize,
    },
    /// Another line has this hash.
    #[error("it is the same token as in line {line}")]
    DigestTaken {
        /// The other line.
        line: usize,
    },
}

/// A word of a file, shown only when it cannot be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownWord(Option<Box<str>>);

impl Token {
    /// Reads a line. `None`: there is nothing on it but perhaps a comment.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(line: &str) -> Result<Option<Self>, LineProblem> {
        let mut words = words(line);
        let Some(name) = words.next() else { return Ok(None) };
        if line.contains(PREFIX) {
            return Err(LineProblem::HoldsAToken);
        }
        let name = TokenName::parse(name)?;
        let digest = words.next().and_then(TokenDigest::parse).ok_or(LineProblem::Digest)?;
        let (mut allow, mut expires, mut paths) = (None, None, None);
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(LineProblem::Unknown(ShownWord::new(word)));
            };
            match key {
                "allow" => once(&mut allow, "allow", permissions(value)?)?,
                "expires" => once(&mut expires, "expires", Expiry::parse(value)?)?,
                "paths" => once(&mut paths, "paths", patterns(value)?)?,
                _ => return Err(LineProblem::Unknown(ShownWord::new(key))),
            }
        }
        Ok(Some(Self {
            name,
            digest,
            allow: allow.ok_or(LineProblem::NoAllow)?,
            expires: expires.unwrap_or(Expiry::Never),
            paths: paths.unwrap_or_default(),
        }))
    }
}

/// The words of a line without its comment.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().take_while(|word| !word.starts_with('#'))
}

fn once<T>(place: &mut Option<T>, key: &'static str, value: T) -> Result<(), LineProblem> {
    if place.replace(value).is_some() { Err(LineProblem::Twice(key)) } else { Ok(()) }
}

fn permissions(value: &str) -> Result<Permissions, LineProblem> {
    for word in value.split(',') {
        if ShownWord::new(word).0.is_none() {
            return Err(LineProblem::Unknown(ShownWord::new(word)));
        }
    }
    Ok(Permissions::parse(value.split(','))?)
}

/// Patterns with commas between them, which no name of a path has.
///
/// # Errors
/// The first that is none.
pub fn patterns(text: &str) -> Result<Vec<Pattern>, PatternError> {
    text.split(',').map(Pattern::parse).collect()
}

/// The line, as [`Token::parse`] reads it. The digest comes last: a line that was cut allows no more than it should.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, digest, allow, expires, paths } = self;
        write!(f, "{name} {digest}")?;
        for (index, pattern) in paths.iter().enumerate() {
            write!(f, "{}{pattern}", if index == 0 { " paths=" } else { "," })?;
        }
        write!(f, " expires={expires} allow={allow}")
    }
}

impl ShownWord {
    /// Secrets are longer than any word that belongs here.
    fn new(word: &str) -> Self {
        let is_harmless = word.len() <= 16 && !word.contains(|c: char| c.is_control());
        Self(is_harmless.then(|| word.into()))
    }
}

impl fmt::Display for ShownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(word) => write!(f, "`{word}`"),
            None => f.write_str("a word that is not shown here, for it may be a secret,"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Permission;

    const DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn token(rest: &str) -> Token {
        Token::parse(&format!("ci {DIGEST} {rest}")).unwrap().unwrap()
    }

    fn problem(line: &str) -> String {
        Token::parse(line).unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        for rest in [
            "expires=never allow=read",
            "expires=2027-02-19T10:00:00Z allow=read,push",
            "paths=hello-*,?im expires=never allow=read",
        ] {
            assert_eq!(token(rest).to_string(), format!("ci {DIGEST} {rest}"));
        }
        let token = token("  paths=hello-*\tallow=push # for the \u{fc}bung\r");
        assert!(token.allow.has(Permission::Push) && !token.allow.has(Permission::Read));
        assert_eq!(token.expires, Expiry::Never);
    }

    #[test]
    fn comments_and_blank_lines_are_nothing() {
        for nothing in ["", " \t", "# ci sha256:0", "  #rns_x", "\r"] {
            assert!(Token::parse(nothing).unwrap().is_none(), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, expected) in [
            ("ci", "64 hex digits"),
            ("ci allow=read", "64 hex digits"),
            ("ci sha256:abc allow=read", "64 hex digits"),
            ("c:i sha256:abc allow=read", "a name has"),
            (&format!("ci {DIGEST}"), "allow=read"),
            (&format!("ci {DIGEST} allow=read,wirte"), "`wirte`"),
            (&format!("ci {DIGEST} allow="), "no permission"),
            (&format!("ci {DIGEST} allow=read allow=push"), "allow= is there twice"),
            (&format!("ci {DIGEST} allow=read expires=90d"), "2027-02-19T10:00:00Z"),
            (&format!("ci {DIGEST} allow=read expire=never"), "`expire`"),
            (&format!("ci {DIGEST} allow=read push"), "`push`"),
            (&format!("ci {DIGEST} allow=read paths=a,"), "empty"),
            (&format!("ci {DIGEST} allow=read paths=/nix"), "'/'"),
        ] {
            assert!(problem(line).contains(expected), "{line}: {}", problem(line));
        }
    }

    #[test]
    fn a_secret_in_the_file_is_not_shown() {
        let token = "rns_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        let bare = token.strip_prefix(PREFIX).unwrap();
        for line in [
            token.to_owned(),
            format!("ci {token} allow=read"),
            format!("ci:{token}"),
            format!("machine cache.example.org login ci password {token}"),
            format!("ci {bare} allow=read"),
            format!("ci {DIGEST} {bare}"),
            format!("ci {DIGEST} allow={bare}"),
            format!("ci {DIGEST} {bare}=x"),
            format!("ci {DIGEST} allow=read expires={bare}"),
            format!("{bare} {bare}"),
        ] {
            let said = format!("{} {:?}", problem(&line), Token::parse(&line));
            assert!(!said.contains("BwcHBw"), "{line}: {said}");
        }
        assert!(problem(token).contains("make a new one"));
    }
}
