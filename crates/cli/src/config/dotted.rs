//! Dotted paths of keys. Some tables have a name that people choose: `cache.<name>.priority` is the key `priority` of
//! each table such as `[cache.team-a]`.

/// Stands for the name of a table.
pub(crate) const NAME_PLACEHOLDER: &str = "<name>";

/// The form of a chosen name, for hints.
pub(crate) const NAME_HINT: &str = "a name consists of small letters, digits and `-`, such as team-a, and begins with a letter or a digit";

/// The dotted path of a key in a table.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// Whether a table may have this name. A name of this kind is a part of a dotted path and a label in metrics as it is.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
}

/// Whether a key belongs to a table with a chosen name.
pub(crate) fn is_named(pattern: &str) -> bool {
    pattern.split('.').any(|part| part == NAME_PLACEHOLDER)
}

/// Whether a path is one that a pattern stands for.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(known), Some(part)) if known == NAME_PLACEHOLDER || known == part => {}
            _ => return false,
        }
    }
}

/// A pattern with the names that a path has in the same places.
pub(crate) fn with_names_of(pattern: &str, path: &str) -> String {
    let mut path = path.split('.');
    let parts = pattern.split('.').map(|known| match path.next() {
        Some(part) if known == NAME_PLACEHOLDER => part,
        _ => known,
    });
    parts.collect::<Vec<_>>().join(".")
}

/// The table with a chosen name that a path is in, the innermost one: `cache.<name>` for `cache.<name>.signing.keys`.
pub(crate) fn named_table(pattern: &str) -> Option<&str> {
    let end = pattern.rfind(NAME_PLACEHOLDER)? + NAME_PLACEHOLDER.len();
    pattern.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_every_name() {
        assert!(matches("cache.<name>.priority", "cache.team-a.priority"));
        assert!(matches("workers", "workers"));
        assert!(!matches("cache.<name>.priority", "cache.team-a"));
        assert!(!matches("cache.<name>", "cache.team-a.priority"));
        assert!(!matches("cache.<name>.priority", "cache_info.priority"));
        let pattern = "cache.<name>.access.oidc.<name>.issuer";
        assert_eq!(
            with_names_of(pattern, "cache.a.access.oidc.b.isuer"),
            "cache.a.access.oidc.b.issuer"
        );
        assert_eq!(with_names_of(pattern, "cache.a.x"), "cache.a.access.oidc.<name>.issuer");
        assert_eq!(named_table(pattern), Some("cache.<name>.access.oidc.<name>"));
        assert_eq!(named_table("signing.keys"), None);
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "team-a", "0", "2-b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "Team", "a.b", "a_b", "a b", "<name>", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
