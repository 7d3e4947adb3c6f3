//! Patterns of store path names.

use std::fmt;

/// Names have at most 211 characters; a longer pattern is a mistake.
const MAX_PATTERN_CHARS: usize = 256;

/// A pattern that the name of a store path, the part behind the hash part, matches as a whole: `*` stands for any text,
/// also none, `?` for one character, anything else for itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing would match.
    #[error("the pattern is empty; `*` matches every name")]
    Empty,
    /// Nothing could match.
    #[error(
        "the pattern has {length} characters, more than the {MAX_PATTERN_CHARS} that are allowed"
    )]
    TooLong {
        /// Characters of the pattern.
        length: usize,
    },
    /// Nothing could match.
    #[error(
        "no name contains {character:?}; patterns are matched against the name behind the hash part of a store path, \
         and know only `*` and `?`"
    )]
    InvalidCharacter {
        /// The first character that no name has.
        character: char,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When no name could match.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_CHARS {
            return Err(PatternError::TooLong { length: text.chars().count() });
        }
        let possible = |c: char| c.is_ascii_alphanumeric() || "+-._?=*".contains(c);
        match text.chars().find(|&c| !possible(c)) {
            Some(character) => Err(PatternError::InvalidCharacter { character }),
            None => Ok(Self(text.into())),
        }
    }

    /// Whether this is a name that the pattern means. Takes no longer than the product of both lengths.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        glob_matches(self.0.as_bytes(), name.as_bytes(), Some(b'?'))
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text and `one`, if there is such a byte, for one byte.
pub fn glob_matches(pattern: &[u8], text: &[u8], one: Option<u8>) -> bool {
    let (mut at, mut from) = (0, 0);
    // The position behind the last star, and the end of the text that it stands for. Earlier stars need no second try: the
    // pattern between two of them is best found as early as possible.
    let mut star = None;
    while let Some(&byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, from));
            }
            Some(&expected) if expected == byte || Some(expected) == one => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((behind, end)) = star else { return false };
                star = Some((behind, end + 1));
                (at, from) = (behind, end + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|&rest| rest == b'*')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, carried out literally.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|end| naive(rest, &name[end..])),
            Some((&first, rest)) => {
                name.first().is_some_and(|&byte| byte == first || first == b'?')
                    && naive(rest, &name[1..])
            }
        }
    }

    #[test]
    fn patterns_are_matched_against_the_whole_name() {
        let matches = |pattern, name| Pattern::parse(pattern).unwrap().matches(name);
        assert!(matches("*-secrets*", "host-secrets-1.0"));
        assert!(matches("*-secrets*", "host-secrets"));
        assert!(!matches("*-secrets*", "secrets"));
        assert!(matches("*.drv", "hello-2.12.drv"));
        assert!(!matches("*.drv", "hello-2.12.drv.chroot"));
        assert!(matches("hello-?.12", "hello-2.12"));
        assert!(!matches("hello", "hello-2.12"));
        assert!(matches("*", "x"));
    }

    #[test]
    fn what_could_never_match_is_no_pattern() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse("[ab]*"), Err(PatternError::InvalidCharacter { character: '[' }));
        assert_eq!(
            Pattern::parse("/nix/store/*"),
            Err(PatternError::InvalidCharacter { character: '/' })
        );
        assert_eq!(Pattern::parse(&"a".repeat(257)), Err(PatternError::TooLong { length: 257 }));
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = Pattern::parse(&"*a".repeat(128)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(210))));
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_definition_says(
            pattern in "[ab?*]{1,8}",
            name in "[ab]{1,8}",
        ) {
            let expected = naive(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::parse(&pattern).unwrap().matches(&name), expected);
        }
    }
}
