//! Every key of the configuration, derived from the types that read it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use toml::Value;

use super::{
    dotted::{self, NAME_PLACEHOLDER, join},
    kind::{KeyKind, paragraph},
    raw::RawConfig,
};

/// The prefix of all environment variables of this program.
pub(crate) const ENVIRONMENT_PREFIX: &str = "RUST_NIX_SERVE_";

/// One key that may be set.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The dotted path, such as `signing.keys` or `cache.<name>.priority`.
    pub(crate) path: String,
    pub(crate) kind: KeyKind,
    /// The built-in value. `None`: there is none, or the value of the key `inherits`.
    pub(crate) default: Option<Value>,
    /// Whether a reload takes up a changed value; otherwise a restart does.
    pub(crate) is_reloadable: bool,
    /// The key whose value holds where this one is not set.
    pub(crate) inherits: Option<&'static str>,
    /// The doc comment, as one paragraph.
    pub(crate) description: String,
}

/// A table of the file.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) description: String,
}

/// All keys and tables, in the order of the reference.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    pub(crate) keys: Vec<Key>,
    pub(crate) sections: Vec<Section>,
    /// Tables of tables with chosen names: `cache`.
    maps: Vec<String>,
}

/// Keys whose items have commas in them, which in a variable are between items.
const FILE_ONLY: &[&str] = &["access.subjects"];

/// Keys of named tables that fall back to another key.
const INHERITED_KEYS: &[(&str, &str)] = &[
    ("cache.<name>.priority", "cache_info.priority"),
    ("cache.<name>.want_mass_query", "cache_info.want_mass_query"),
    ("cache.<name>.signing.keys", "signing.keys"),
    ("cache.<name>.signing.policy", "signing.policy"),
    ("cache.<name>.signing.signed_by", "signing.signed_by"),
];

/// The keys of this version.
pub(crate) static KNOWN_KEYS: LazyLock<KnownKeys> = LazyLock::new(KnownKeys::read);

impl KnownKeys {
    fn read() -> Self {
        let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<RawConfig>();
        let mut known = Self { keys: Vec::new(), sections: Vec::new(), maps: Vec::new() };
        known.table("", schema.as_value(), false);
        known
    }

    fn table(&mut self, prefix: &str, schema: &Json, is_reloadable: bool) {
        let properties = schema.get("properties").and_then(Json::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let path = join(prefix, name);
            let description = paragraph(property);
            let is_reloadable = reloads(property).unwrap_or(is_reloadable);
            let named = property.get("additionalProperties");
            if property.get("properties").is_some() {
                self.sections.push(Section { name: path.clone(), description });
                self.table(&path, property, is_reloadable);
            } else if let Some(named) = named.filter(|inner| inner.get("properties").is_some()) {
                let table = join(&path, NAME_PLACEHOLDER);
                self.maps.push(path);
                self.sections.push(Section { name: table.clone(), description: paragraph(named) });
                let is_reloadable = reloads(named).unwrap_or(is_reloadable);
                self.table(&table, named, is_reloadable);
            } else {
                let inherited = INHERITED_KEYS.iter().find(|(key, _)| *key == path);
                self.keys.push(Key {
                    path,
                    kind: KeyKind::of(property),
                    default: property
                        .get("default")
                        .filter(|json| !json.is_null())
                        .and_then(|json| Value::try_from(json).ok()),
                    is_reloadable,
                    inherits: inherited.map(|(_, from)| *from),
                    description,
                });
            }
        }
    }

    /// The key with this dotted path.
    pub(crate) fn key(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| dotted::matches(&key.path, path))
    }

    /// Whether this is the name of a table that holds keys.
    pub(crate) fn is_section(&self, path: &str) -> bool {
        self.sections.iter().any(|section| dotted::matches(&section.name, path))
    }

    /// Whether this is the name of a table of tables with chosen names.
    pub(crate) fn is_map(&self, path: &str) -> bool {
        self.maps.iter().any(|map| dotted::matches(map, path))
    }

    /// The names of all tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.sections
            .iter()
            .map(|section| section.name.as_str())
            .chain(self.maps.iter().map(String::as_str))
    }
}

impl Key {
    /// The environment variable that sets this key, if one can.
    pub(crate) fn environment(&self) -> Option<String> {
        let name = self.path.replace('.', "_").to_uppercase();
        let has_one = !dotted::is_named(&self.path) && !FILE_ONLY.contains(&self.path.as_str());
        has_one.then(|| format!("{ENVIRONMENT_PREFIX}{name}"))
    }
}

/// The property `x-reload` of a table or key.
fn reloads(schema: &Json) -> Option<bool> {
    schema.get("x-reload").and_then(Json::as_bool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_kind_default_and_variable() {
        let key = KNOWN_KEYS.key("store.layout_cache").unwrap();
        assert_eq!(key.kind, KeyKind::Size);
        assert_eq!(key.default, Some(Value::String("64MiB".into())));
        assert_eq!(key.environment().unwrap(), "RUST_NIX_SERVE_STORE_LAYOUT_CACHE");
        assert_eq!(KNOWN_KEYS.key("listen").unwrap().kind, KeyKind::List);
        assert_eq!(KNOWN_KEYS.key("workers").unwrap().kind, KeyKind::Integer);
        assert_eq!(KNOWN_KEYS.key("cache_info.want_mass_query").unwrap().kind, KeyKind::Flag);
        assert_eq!(KNOWN_KEYS.key("limits.idle_timeout").unwrap().kind, KeyKind::Duration);
        let KeyKind::Choice(policies) = &KNOWN_KEYS.key("signing.policy").unwrap().kind else {
            panic!("the policy is a choice");
        };
        let names: Vec<&str> = policies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["add", "replace", "keep", "ultimate", "signed-by"]);
        assert!(policies.iter().all(|(_, meaning)| !meaning.is_empty()));
    }

    #[test]
    fn every_key_and_table_is_described() {
        assert!(KNOWN_KEYS.keys.len() > 25, "{}", KNOWN_KEYS.keys.len());
        for key in &KNOWN_KEYS.keys {
            assert!(!key.description.is_empty(), "{}", key.path);
            if let Some(default) = &key.default {
                assert!(key.kind.accepts(default), "{}: {default}", key.path);
            }
        }
        for section in &KNOWN_KEYS.sections {
            assert!(!section.description.is_empty(), "{}", section.name);
        }
    }

    #[test]
    fn keys_know_whether_a_reload_is_enough() {
        for (path, is_reloadable) in [
            ("signing.keys", true),
            ("tls.certificate", true),
            ("cache_info.priority", true),
            ("access.tokens", true),
            ("access.oidc.ci.issuer", true),
            ("access.trusted_proxies", false),
            ("access.failure_delay", false),
            ("expose.deny", true),
            ("cache.a.hosts", true),
            ("cache.a.access.oidc.ci.claims", true),
            ("cache.a.expose.roots", true),
            ("log.level", true),
            ("log.format", false),
            ("listen", false),
            ("limits.downloads", false),
        ] {
            assert_eq!(KNOWN_KEYS.key(path).unwrap().is_reloadable, is_reloadable, "{path}");
        }
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut names: Vec<String> = KNOWN_KEYS.keys.iter().filter_map(Key::environment).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn keys_of_named_tables_are_found_by_every_name() {
        let key = KNOWN_KEYS.key("cache.team-a.priority").unwrap();
        assert_eq!((&key.kind, &key.default), (&KeyKind::Integer, &None));
        assert_eq!(key.environment(), None);
        assert_eq!(KNOWN_KEYS.key("cache.b.expose.everything").unwrap().kind, KeyKind::Flag);
        assert_eq!(KNOWN_KEYS.key("cache.b.expose.roots").unwrap().kind, KeyKind::List);
        assert_eq!(KNOWN_KEYS.key("cache.b.access.oidc.ci.issuer").unwrap().kind, KeyKind::Text);
        let policy = KNOWN_KEYS.key("cache.b.signing.policy").unwrap();
        assert_eq!(policy.kind, KNOWN_KEYS.key("signing.policy").unwrap().kind);
        assert!(KNOWN_KEYS.is_section("cache.b") && KNOWN_KEYS.is_section("cache.b.expose"));
        assert!(
            KNOWN_KEYS.is_map("cache")
                && !KNOWN_KEYS.is_section("cache")
                && !KNOWN_KEYS.is_map("cache.b")
        );
    }

    #[test]
    fn what_is_inherited_is_of_the_same_kind() {
        for (key, from) in INHERITED_KEYS {
            let (key, from) = (KNOWN_KEYS.key(key).unwrap(), KNOWN_KEYS.key(from).unwrap());
            assert_eq!(key.kind, from.kind, "{}", key.path);
            assert_eq!((&key.default, key.inherits), (&None, Some(from.path.as_str())));
        }
    }
}
