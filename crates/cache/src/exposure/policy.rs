//! The policy that says which paths a cache shows.

use std::path::PathBuf;

use rns_formats::PublicKey;

use super::Pattern;

/// Which store paths are exposed: the largest set of valid paths that every given term allows and that is closed under
/// references. Without any term that is every valid path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExposurePolicy {
    /// Only the closures of these: links such as `/nix/var/nix/profiles/system` or `/run/current-system`, store paths, and
    /// directories of links; `*` in a component stands for any text. Nothing is exposed by an empty list.
    pub roots: Option<Vec<PathBuf>>,
    /// Only the closures of the paths whose name matches a pattern; each list of patterns is a term of its own.
    pub names: Vec<Vec<Pattern>>,
    /// Only paths that carry, with their whole closure, a valid signature by one of these keys.
    pub signed_by: Option<Vec<PublicKey>>,
    /// Names that are hidden, and with them all paths that refer to them.
    pub deny: Vec<Pattern>,
    /// Names that are not hidden although they match a pattern of `deny`.
    pub allow: Vec<Pattern>,
}

impl ExposurePolicy {
    /// Whether this hides nothing, so that it costs nothing.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.roots.is_none()
            && self.names.is_empty()
            && self.signed_by.is_none()
            && self.deny.is_empty()
    }

    /// The same policy, of which only the closures of the paths with these names are exposed.
    #[must_use]
    pub fn restricted_to(&self, names: Vec<Pattern>) -> Self {
        let mut policy = self.clone();
        policy.names.push(names);
        policy
    }

    /// The pattern that hides this name.
    pub fn denied_by(&self, name: &str) -> Option<&Pattern> {
        let denied = self.deny.iter().find(|pattern| pattern.matches(name))?;
        (!self.allow.iter().any(|pattern| pattern.matches(name))).then_some(denied)
    }

    /// Whether only closures of something are exposed.
    pub const fn is_of_closures(&self) -> bool {
        self.roots.is_some() || !self.names.is_empty()
    }

    /// Whether one of the trusted keys claims to have made one of these signatures, as the database has them.
    pub fn is_claimed(&self, signatures: Option<&str>) -> bool {
        self.signed_by.as_ref().is_none_or(|keys| {
            signatures.unwrap_or_default().split_ascii_whitespace().any(|signature| {
                signature
                    .split_once(':')
                    .is_some_and(|(name, _)| keys.iter().any(|key| key.name().as_str() == name))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> Vec<Pattern> {
        patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect()
    }

    #[test]
    fn what_is_allowed_is_an_exception_from_what_is_denied() {
        let policy = ExposurePolicy {
            deny: patterns(&["*-secrets*", "*.drv"]),
            allow: patterns(&["public-*"]),
            ..ExposurePolicy::default()
        };
        assert_eq!(policy.denied_by("x-secrets"), Some(&patterns(&["*-secrets*"])[0]));
        assert_eq!(policy.denied_by("public-secrets"), None);
        assert_eq!(policy.denied_by("hello"), None);
    }

    #[test]
    fn only_a_policy_without_terms_is_everything() {
        let everything = ExposurePolicy { allow: patterns(&["x"]), ..ExposurePolicy::default() };
        assert!(everything.is_everything());
        assert!(!everything.restricted_to(Vec::new()).is_everything());
        assert!(!ExposurePolicy { roots: Some(Vec::new()), ..everything }.is_everything());
    }
}
