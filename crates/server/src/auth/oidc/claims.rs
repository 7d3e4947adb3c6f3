//! The claims of a token, and whether they match the configuration.

use serde_json::Value;

/// Whether a claim has a value of this pattern. The name may lead into an object, with dots; of a list any item will
/// do.
pub(super) fn holds(claims: &Value, name: &str, pattern: &str) -> bool {
    match claims.get(name) {
        Some(value) => fits(value, pattern),
        // A name can have dots of its own: `kubernetes.io.namespace` is `namespace` in `kubernetes.io`.
        None => name.match_indices('.').any(|(dot, _)| {
            let (outer, inner) = name.split_at(dot);
            let inner = inner.trim_start_matches('.');
            claims.get(outer).is_some_and(|claims| holds(claims, inner, pattern))
        }),
    }
}

fn fits(value: &Value, pattern: &str) -> bool {
    match value {
        Value::String(text) => glob(pattern, text),
        Value::Number(number) => glob(pattern, &number.to_string()),
        Value::Bool(truth) => glob(pattern, if *truth { "true" } else { "false" }),
        Value::Array(items) => items.iter().any(|item| !item.is_array() && fits(item, pattern)),
        Value::Null | Value::Object(_) => false,
    }
}

/// Whether a text is of a pattern, in which `*` is any text and `?` any character.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where the last star was, and how much of the text it stood for so far.
    let mut star = None;
    loop {
        let (before, wanted) = (pattern.clone(), pattern.next());
        if wanted == Some('*') {
            star = Some((before, text.clone()));
            continue;
        }
        let found = text.next();
        match (wanted, found) {
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            // The text has ended, and no star can stand for less than nothing.
            (_, None) => return false,
            _ => {
                let Some((at, mut from)) = star.take() else { return false };
                from.next();
                (pattern, text) = (at.clone(), from.clone());
                pattern.next();
                star = Some((at, from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_are_of_the_whole_text() {
        for (pattern, text) in [
            ("org/*", "org/repo"),
            ("*", ""),
            ("repo:org/*:ref:refs/heads/ma?n", "repo:org/x:y:ref:refs/heads/main"),
            ("**a*", "bab"),
            ("?", "\u{e9}"),
            ("", ""),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("org/*", "organisation/repo"),
            ("org/*", "my-org/repo"),
            ("org", "org/repo"),
            ("?", ""),
            ("*a", "ab"),
            ("", "a"),
            ("refs/heads/main", "refs/heads/mainz"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn claims_are_found_in_objects_and_lists() {
        let claims = json!({
            "repository": "org/repo", "run": 7, "protected": true, "groups": ["a", "ops"], "none": null,
            "kubernetes.io": { "namespace": "ci", "pod": { "name": "x" } },
        });
        for (name, pattern) in [
            ("repository", "org/*"),
            ("run", "7"),
            ("protected", "true"),
            ("groups", "ops"),
            ("kubernetes.io.namespace", "ci"),
            ("kubernetes.io.pod.name", "?"),
        ] {
            assert!(holds(&claims, name, pattern), "{name}");
        }
        for (name, pattern) in [
            ("repository", "other/*"),
            ("groups", "op"),
            ("none", "*"),
            ("missing", "*"),
            ("kubernetes.io", "*"),
            ("kubernetes.io.pod", "*"),
            ("", "*"),
            ("...", "*"),
        ] {
            assert!(!holds(&claims, name, pattern), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_text_without_signs_is_a_pattern_of_itself_alone(a in "[ab]{0,6}", b in "[ab]{0,6}") {
            proptest::prop_assert_eq!(glob(&a, &b), a == b);
            let (starts, ends, whole) = (format!("{a}*"), format!("*{b}"), format!("{a}{b}"));
            proptest::prop_assert!(glob(&starts, &whole) && glob(&ends, &whole));
            let (wild, whole) = (format!("*{a}*{b}?"), format!("b{a}a{b}a"));
            proptest::prop_assert!(glob(&wild, &whole));
        }
    }
}
