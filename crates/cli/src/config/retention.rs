//! Which paths the storage keeps.

use std::{num::NonZeroU32, time::Duration};

use rns_cache::{KeepFree, RootLifetime, RootPattern, RootRule};
use rns_storage::retention::Retention;

use super::{
    diagnostics::Diagnostics,
    raw::{RawConfig, RawRootRule, RawUploadTarget},
};

/// An upload of a big closure takes this long.
const USUAL_PUSH: Duration = Duration::from_secs(3600);

/// The policy of `[retention]`.
pub(super) fn resolve(raw: &RawConfig, diagnostics: &mut Diagnostics<'_>) -> Retention {
    let RawConfig { retention: raw, upload, storage, .. } = raw;
    let numbers = [
        ("retention.max_size", raw.max_size.map(|size| size.0)),
        ("retention.max_closures", raw.max_closures),
    ];
    for (key, number) in numbers {
        if number == Some(0) {
            diagnostics.problem(key, "0 would let everything go", "leave it out for no limit");
        }
    }
    let keep_free = raw.keep_free.map(|share| share.0);
    if matches!(keep_free, Some(KeepFree::Percent(0) | KeepFree::Bytes(0))) {
        diagnostics.problem("retention.keep_free", "0 keeps nothing free", "leave it out");
    }
    if keep_free.is_some() && !storage.url.starts_with("file:") {
        diagnostics
            .warn("retention.keep_free is about the disk of a directory, and means nothing here");
    }
    let rules = raw.rules.iter().map(|(name, rule)| root_rule(name, rule, diagnostics));
    let retention = Retention {
        rules: rules.collect(),
        min_age: raw.min_age.0,
        unused_for: raw.unused_for.map(|span| span.0),
        max_size: raw.max_size.map(|size| size.0),
        keep_free,
        max_closures: raw.max_closures,
        keep_roots: raw.keep_roots,
    };
    // In the store of the machine, roots end with their links: Nix collects.
    let ends_roots = upload.target == RawUploadTarget::NixStore;
    warn(&retention, ends_roots, diagnostics);
    retention
}

fn root_rule(name: &str, raw: &RawRootRule, diagnostics: &mut Diagnostics<'_>) -> RootRule {
    let table = format!("retention.rules.{name}");
    if raw.roots.is_empty() {
        diagnostics.problem(
            &format!("{table}.roots"),
            "the rule is about no root",
            "write `roots = [\"pr/*\"]`",
        );
    }
    if raw.days.is_none() && raw.revisions.is_none() {
        diagnostics.problem(&table, "the rule says nothing", "write `days = 7` or `revisions = 5`");
    }
    let mut roots = Vec::new();
    for text in &raw.roots {
        match RootPattern::parse(text) {
            Ok(pattern) => roots.push(pattern),
            Err(error) => {
                let reason = format!("`{text}`: {error}");
                diagnostics.problem(&format!("{table}.roots"), reason, "");
            }
        }
    }
    let mut number = |key: &str, value: Option<u32>| {
        if value == Some(0) {
            let reason = "0 would keep no root";
            diagnostics.problem(&format!("{table}.{key}"), reason, "leave it out for no limit");
        }
        value.and_then(NonZeroU32::new)
    };
    let lifetime = RootLifetime {
        days: number("days", raw.days),
        revisions: number("revisions", raw.revisions),
    };
    RootRule { roots, lifetime }
}

/// Warns of a policy that is valid, but hardly intended.
fn warn(retention: &Retention, ends_roots: bool, diagnostics: &mut Diagnostics<'_>) {
    if !retention.rules.is_empty() && retention.keeps_everything() && !ends_roots {
        diagnostics.warn(
            "retention.rules end roots, but nothing goes with them: write `keep_roots = true`, `unused_for`, `max_size` or \
             `keep_free` below [retention]",
        );
    }
    if retention.min_age < USUAL_PUSH && !retention.keeps_everything() {
        diagnostics.warn(
            "retention.min_age is less than an hour: the first paths of a long push may go before it has ended",
        );
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::RootName;

    use super::*;
    use crate::config::tests::{load_with, refusal};

    const STORAGE: &str = "[storage]\nurl = \"s3://cache\"\n[retention]\n";

    fn retention(keys: &str) -> (Retention, Vec<String>) {
        let loaded = load_with(&format!("{STORAGE}{keys}"), &[], &[]).unwrap();
        (loaded.backends.storage.unwrap().retention, loaded.warnings)
    }

    #[test]
    fn everything_stays_unless_something_else_is_written() {
        let (usual, warnings) = retention("");
        assert_eq!((&usual, &warnings), (&Retention::default(), &Vec::new()));
        assert!(usual.keeps_everything());
        let (policy, _) = retention(
            "min_age = \"2h\"\nunused_for = \"30d\"\nmax_size = \"1G\"\nmax_closures = 9\nkeep_roots = true\n",
        );
        let expected = Retention {
            min_age: Duration::from_secs(7200),
            unused_for: Some(Duration::from_secs(30 * 86_400)),
            max_size: Some(1 << 30),
            keep_free: None,
            max_closures: Some(9),
            keep_roots: true,
            rules: Vec::new(),
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn rules_are_about_names_of_roots() {
        let rules = "[retention.rules.pr]\nroots = [\"pr/*\"]\ndays = 7\n[retention.rules.all]\nroots = [\"*\"]\nrevisions = 5\n";
        let (policy, warnings) = retention(rules);
        let lifetime = policy.lifetime(&RootName::parse("pr/1").unwrap(), RootLifetime::default());
        assert_eq!(lifetime.days, NonZeroU32::new(7));
        assert_eq!(lifetime.revisions(), 5);
        assert!(warnings.iter().any(|text| text.contains("keep_roots")), "{warnings:?}");
        let (_, warnings) = retention(&format!("keep_roots = true\n{rules}"));
        assert!(warnings.is_empty(), "{warnings:?}");
        let into_store = format!("[upload]\ntarget = \"nix-store\"\n[retention]\n{rules}");
        let loaded = load_with(&into_store, &[], &[]).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_policy_that_cannot_be_meant_is_refused() {
        for (keys, key) in [
            ("max_size = \"0\"", "retention.max_size"),
            ("max_closures = 0", "retention.max_closures"),
            ("keep_free = \"0%\"", "retention.keep_free"),
            ("keep_free = \"much\"", "retention.keep_free"),
            ("rules.pr.days = 7", "retention.rules.pr.roots"),
            ("rules.pr.roots = [\"pr/*\"]", "retention.rules.pr"),
            ("rules.pr.roots = [\"/pr/*\"]\nrules.pr.days = 7", "retention.rules.pr.roots"),
            ("rules.pr.roots = [\"pr/*\"]\nrules.pr.days = 0", "retention.rules.pr.days"),
        ] {
            let said = refusal(&format!("{STORAGE}{keys}\n"));
            assert!(said.contains(&format!("{key} ")), "{keys}: {said}");
        }
        let said = refusal("[[retention]]\nroots = \"pr/*\"\n");
        assert!(said.contains("[retention]"), "{said}");
    }

    #[test]
    fn room_is_kept_on_the_disk_of_a_directory_and_of_nothing_else() {
        let directory =
            "[storage]\nurl = \"file:///srv/cache\"\n[retention]\nkeep_free = \"20%\"\n";
        let loaded = load_with(directory, &[], &[]).unwrap();
        let policy = loaded.backends.storage.unwrap().retention;
        assert_eq!(policy.keep_free, Some(KeepFree::Percent(20)));
        assert!(!policy.keeps_everything());
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let (_, warnings) = retention("keep_free = \"50G\"\n");
        assert!(warnings.iter().any(|text| text.contains("disk of a directory")), "{warnings:?}");
    }

    #[test]
    fn a_short_grace_is_warned_of() {
        let (_, warnings) = retention("min_age = \"1m\"\nunused_for = \"1m\"\n");
        assert!(warnings.iter().any(|text| text.contains("min_age")), "{warnings:?}");
    }
}
