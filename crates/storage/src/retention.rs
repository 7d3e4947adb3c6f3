//! The policy of retention, as the configuration says it.

use std::time::Duration;

use rns_cache::{RootLifetime, glob_matches};
use rns_formats::RootName;

/// The policy of retention. A path that is kept keeps all that it needs; roots are kept always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What was pushed, or told to a pusher, stays for so long.
    pub min_age: Duration,
    /// What was not read for so long may go.
    pub unused_for: Option<Duration>,
    /// Bytes of NARs, above which the least recently used closures go.
    pub max_size: Option<u64>,
    /// Number of closures, above which the least recently used ones go.
    pub max_closures: Option<u64>,
    /// Whether what no root needs may go, unless it is young or in use.
    pub keep_roots: bool,
    /// How long roots are kept, by their names.
    pub rules: Vec<RootRule>,
}

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

impl Default for Retention {
    /// Everything is kept.
    fn default() -> Self {
        Self {
            min_age: Duration::from_secs(24 * 3600),
            unused_for: None,
            max_size: None,
            max_closures: None,
            keep_roots: false,
            rules: Vec::new(),
        }
    }
}

impl Retention {
    /// Whether anything may ever go.
    #[must_use]
    pub const fn keeps_everything(&self) -> bool {
        self.unused_for.is_none()
            && self.max_size.is_none()
            && self.max_closures.is_none()
            && !self.keep_roots
    }

    /// How long a root is kept that is wanted for so long: at most as long as every rule about its name allows.
    #[must_use]
    pub fn lifetime(&self, name: &RootName, wanted: RootLifetime) -> RootLifetime {
        let rules = self.rules.iter().filter(|rule| rule.is_about(name));
        rules.fold(wanted, |lifetime, rule| lifetime.at_most(rule.lifetime))
    }
}

impl RootRule {
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
        let rules = vec![rule("pr/*", lifetime(7, 0)), rule("*/docs", lifetime(30, 3))];
        let retention = Retention { rules, ..Retention::default() };
        let of = |name: &str, wanted| retention.lifetime(&RootName::parse(name).unwrap(), wanted);
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
