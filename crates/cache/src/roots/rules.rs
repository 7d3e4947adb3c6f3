//! How long roots are kept by their names, as the configuration says it.

use rns_formats::RootName;

use super::rooted_cache::RootLifetime;
use crate::exposure::glob_matches;

/// How long the roots with some names are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRule {
    /// Which names.
    pub roots: Vec<RootPattern>,
    /// The longest that they are kept.
    pub lifetime: RootLifetime,
}

/// A pattern that the name of a root matches as a whole: `*` stands for any text, slashes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPattern(Box<str>);

/// A text that no name of a root could match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no root could have such a name: names have letters, digits, slashes and -_.+=@")]
pub struct RootPatternError;

impl RootRule {
    /// How long a root is kept that is wanted for so long: at most as long as each of the rules about its name allows.
    #[must_use]
    pub fn lifetime(rules: &[Self], name: &RootName, wanted: RootLifetime) -> RootLifetime {
        let rules = rules.iter().filter(|rule| rule.is_about(name));
        rules.fold(wanted, |lifetime, rule| lifetime.at_most(rule.lifetime))
    }

    fn is_about(&self, name: &RootName) -> bool {
        self.roots.iter().any(|pattern| pattern.matches(name))
    }
}

impl RootPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When no name could match.
    pub fn parse(text: &str) -> Result<Self, RootPatternError> {
        // Any text that a star may stand for makes it a name, or none does.
        if RootName::parse(&text.replace('*', "a")).is_err() {
            return Err(RootPatternError);
        }
        Ok(Self(text.into()))
    }

    /// Whether this is a name that the pattern means.
    #[must_use]
    pub fn matches(&self, name: &RootName) -> bool {
        glob_matches(self.0.as_bytes(), name.as_str().as_bytes(), None)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn lifetime(days: u32, revisions: u32) -> RootLifetime {
        RootLifetime { days: NonZeroU32::new(days), revisions: NonZeroU32::new(revisions) }
    }

    #[test]
    fn every_rule_about_a_name_shortens_its_life() {
        let rule = |pattern: &str, lifetime| RootRule {
            roots: vec![RootPattern::parse(pattern).unwrap()],
            lifetime,
        };
        let rules = [rule("pr/*", lifetime(7, 0)), rule("*/docs", lifetime(30, 3))];
        let of = |name: &str, wanted| {
            RootRule::lifetime(&rules, &RootName::parse(name).unwrap(), wanted)
        };
        assert_eq!(of("main", lifetime(0, 5)), lifetime(0, 5));
        assert_eq!(of("pr/1", lifetime(0, 0)), lifetime(7, 0));
        assert_eq!(of("pr/1/a", lifetime(90, 2)), lifetime(7, 2));
        assert_eq!(of("pr/1", lifetime(2, 0)), lifetime(2, 0), "less than the rule allows");
        assert_eq!(of("pr/1/docs", lifetime(0, 9)), lifetime(7, 3));
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        for pattern in ["", "/pr/*", "pr//*", "pr/*.json", "pr/ *", "../*"] {
            assert_eq!(RootPattern::parse(pattern), Err(RootPatternError), "{pattern}");
        }
        assert!(RootPattern::parse("*").is_ok() && RootPattern::parse("a*/b*").is_ok());
    }
}
