//! The part of the store that a cache shows.

use std::path::PathBuf;

use rns_cache::{ExposurePolicy, Pattern};
use rns_formats::PublicKey;

use super::{diagnostics::Diagnostics, raw::RawExpose};

const EXPOSE_HINT: &str =
    "write `everything = true` in this table, or choose paths with `roots`, `names` or `signed_by`";

/// The exposure policy of a table. `required` is the reason why an empty table is refused, where it is.
pub(super) fn expose(
    raw: &RawExpose,
    table: &str,
    required: Option<&str>,
    diagnostics: &mut Diagnostics<'_>,
) -> ExposurePolicy {
    let given = [
        ("roots", raw.roots.is_some()),
        ("names", raw.names.is_some()),
        ("signed_by", raw.signed_by.is_some()),
    ];
    let term = given.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name);
    match (raw.everything, term) {
        (Some(true), Some(term)) => diagnostics.problem(
            &format!("{table}.everything"),
            format!("`{term}` shows a part, so this cannot be true"),
            "leave out one of the two",
        ),
        (None, None) => {
            if let Some(reason) = required {
                diagnostics.problem(table, reason, EXPOSE_HINT);
            }
        }
        _ => {}
    }
    if raw.deny.is_empty() && !raw.allow.is_empty() {
        diagnostics.problem(
            &format!("{table}.allow"),
            "these are exceptions from `deny`, and nothing is denied",
            "write `names` to show only paths with such names",
        );
    }
    let shows_nothing = raw.everything == Some(false) && term.is_none();
    ExposurePolicy {
        roots: match &raw.roots {
            Some(roots) => Some(paths(roots, &format!("{table}.roots"), diagnostics)),
            None => shows_nothing.then(Vec::new),
        },
        names: raw
            .names
            .iter()
            .map(|names| patterns(names, &format!("{table}.names"), diagnostics))
            .collect(),
        signed_by: raw
            .signed_by
            .as_ref()
            .map(|keys| public_keys(keys, &format!("{table}.signed_by"), diagnostics)),
        deny: patterns(&raw.deny, &format!("{table}.deny"), diagnostics),
        allow: patterns(&raw.allow, &format!("{table}.allow"), diagnostics),
    }
}

fn paths(texts: &[String], key: &str, diagnostics: &mut Diagnostics<'_>) -> Vec<PathBuf> {
    for text in texts.iter().filter(|text| !text.starts_with('/')) {
        diagnostics.problem(
            key,
            format!("`{text}` is not an absolute path"),
            "expected something like /nix/var/nix/profiles/system or /run/current-system",
        );
    }
    texts.iter().map(PathBuf::from).collect()
}

fn patterns(texts: &[String], key: &str, diagnostics: &mut Diagnostics<'_>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in texts {
        match Pattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => diagnostics.problem(key, format!("`{text}`: {error}"), ""),
        }
    }
    patterns
}

/// Public keys as in nix.conf.
pub(super) fn public_keys(
    texts: &[String],
    key: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<PublicKey> {
    let mut keys = Vec::new();
    for text in texts {
        match PublicKey::parse(text) {
            Ok(key) => keys.push(key),
            Err(error) => {
                let hint = "expected a public key as in trusted-public-keys of nix.conf";
                diagnostics.problem(key, format!("`{text}`: {error}"), hint);
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_with, refusal};
    use super::*;

    fn policy(text: &str) -> ExposurePolicy {
        load_with(&format!("[expose]\n{text}"), &[], &[]).unwrap().server.caches.default.expose
    }

    #[test]
    fn without_a_word_everything_is_shown() {
        assert!(load_with("", &[], &[]).unwrap().server.caches.default.expose.is_everything());
        assert!(policy("everything = true").is_everything());
    }

    #[test]
    fn nothing_is_shown_when_not_everything_is_and_nothing_else_is_said() {
        assert_eq!(policy("everything = false").roots, Some(Vec::new()));
        assert_eq!(policy("roots = []").roots, Some(Vec::new()));
        assert!(!policy("names = []").is_everything());
        assert!(!policy("signed_by = []").is_everything());
    }

    #[test]
    fn every_term_arrives() {
        let key = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";
        let policy = policy(&format!(
            "everything = false\nroots = [\"/run/current-system\"]\nnames = [\"hello-*\", \"x\"]\n\
             signed_by = [\"{key}\"]\ndeny = [\"*.drv\"]\nallow = [\"a.drv\"]\n"
        ));
        assert_eq!(policy.roots, Some(vec!["/run/current-system".into()]));
        assert_eq!(policy.names.len(), 1);
        assert_eq!(policy.names[0].len(), 2);
        assert_eq!(policy.signed_by.unwrap()[0].to_string(), key);
        assert_eq!((policy.deny.len(), policy.allow.len()), (1, 1));
    }

    #[test]
    fn contradictions_and_nonsense_are_refused() {
        for (text, complaint) in [
            ("everything = true\nroots = [\"/a\"]", "`roots` shows a part, so this cannot be true"),
            ("everything = true\nnames = []", "`names` shows a part"),
            ("allow = [\"x\"]", "nothing is denied"),
            ("roots = [\"result\"]", "`result` is not an absolute path"),
            ("deny = [\"/nix/store/*\"]", "expose.deny ("),
            ("names = [\"\"]", "expose.names ("),
            ("signed_by = [\"x\"]", "expose.signed_by ("),
        ] {
            let said = refusal(&format!("[expose]\n{text}\n"));
            assert!(said.contains(complaint), "{complaint}\nin\n{said}");
        }
    }
}
