//! The paths of a queue that are pushed. Everything that these refer to is pushed with them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rns_cache::Pattern;
use rns_formats::PathInfo;

/// The paths that are pushed for their own sake.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only names that one of these matches; empty: all.
    pub only: Vec<Pattern>,
    /// No names that one of these matches.
    pub skip: Vec<Pattern>,
    /// No NARs that are larger, in bytes.
    pub max_size: Option<u64>,
    /// No paths that were registered longer ago.
    pub max_age: Option<Duration>,
    /// Only paths that were built in this store.
    pub built_here: bool,
}

impl Filter {
    /// The reason why a path is not pushed, if it is not.
    pub(super) fn rejects(&self, info: &PathInfo) -> Option<&'static str> {
        let name = info.path.name();
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        if !self.only.is_empty() && !matches(&self.only) || matches(&self.skip) {
            return Some("of its name");
        }
        if self.max_size.is_some_and(|most| info.nar_size > most) {
            return Some("of its size");
        }
        let registered = UNIX_EPOCH + Duration::from_secs(info.registration_time);
        let age = SystemTime::now().duration_since(registered).unwrap_or_default();
        if self.max_age.is_some_and(|most| age > most) {
            return Some("of its age");
        }
        // Paths that were copied from elsewhere without a check of signatures are not marked.
        let is_own = info.ultimate || info.signatures.is_empty() && info.deriver.is_some();
        (self.built_here && !is_own).then_some("it was not built here")
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::{Sha256Digest, Signature, StorePath};

    use super::*;

    fn info(name: &str) -> PathInfo {
        PathInfo {
            path: StorePath::parse(&format!("{}-{name}", "0".repeat(32))).unwrap(),
            nar_hash: Sha256Digest::of(b""),
            nar_size: 1000,
            references: Vec::new(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            provenance: None,
            unknown: Vec::new(),
            ultimate: true,
            registration_time: 0,
        }
    }

    fn patterns(text: &str) -> Vec<Pattern> {
        vec![Pattern::parse(text).unwrap()]
    }

    #[test]
    fn each_condition_rejects_on_its_own() {
        let all = Filter::default();
        assert_eq!(all.rejects(&info("hello")), None);
        let only = Filter { only: patterns("hello*"), ..Filter::default() };
        assert_eq!(only.rejects(&info("hello-1")), None);
        assert!(only.rejects(&info("world")).is_some());
        let skip = Filter { skip: patterns("*-source"), ..Filter::default() };
        assert!(skip.rejects(&info("x-source")).is_some());
        let small = Filter { max_size: Some(999), ..Filter::default() };
        assert!(small.rejects(&info("x")).is_some());
        let new = Filter { max_age: Some(Duration::from_secs(3600)), ..Filter::default() };
        assert!(new.rejects(&info("x")).is_some());
        let here = Filter { built_here: true, ..Filter::default() };
        assert_eq!(here.rejects(&info("x")), None);
        let signature = Signature::parse(&format!("a:{}", "A".repeat(86) + "==")).unwrap();
        let fetched = PathInfo { ultimate: false, signatures: vec![signature], ..info("x") };
        assert!(here.rejects(&fetched).is_some());
    }
}
