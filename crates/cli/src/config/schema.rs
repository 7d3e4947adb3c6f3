//! Every key of the configuration, derived from the types that read it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use toml::Value;

use super::raw::RawConfig;

/// What every environment variable of ours begins with.
pub(crate) const ENVIRONMENT_PREFIX: &str = "RUST_NIX_SERVE_";

/// One key that may be set.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The dotted path, such as `signing.keys`.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) default: Value,
    /// The doc comment, as one paragraph.
    pub(crate) description: String,
}

/// A table of the file.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) description: String,
}

/// What a key may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Flag,
    List,
    Size,
    Duration,
    /// One of these words, with what each means.
    Choice(Vec<(String, String)>),
}

/// All keys and tables, in the order of the reference.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    pub(crate) keys: Vec<Key>,
    pub(crate) sections: Vec<Section>,
}

/// The keys of this version.
pub(crate) static KNOWN: LazyLock<KnownKeys> = LazyLock::new(KnownKeys::read);

impl KnownKeys {
    fn read() -> Self {
        let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<RawConfig>();
        let mut known = Self { keys: Vec::new(), sections: Vec::new() };
        known.table("", schema.as_value());
        known
    }

    fn table(&mut self, prefix: &str, schema: &Json) {
        let properties = schema.get("properties").and_then(Json::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let path = join(prefix, name);
            let description = paragraph(property);
            if property.get("properties").is_some() {
                self.sections.push(Section { name: path.clone(), description });
                self.table(&path, property);
            } else {
                self.keys.push(Key {
                    path,
                    kind: Kind::of(property),
                    default: property
                        .get("default")
                        .and_then(|json| Value::try_from(json).ok())
                        .unwrap_or_else(|| Value::String(String::new())),
                    description,
                });
            }
        }
    }

    /// The key with this dotted path.
    pub(crate) fn key(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// Whether this is the name of a table.
    pub(crate) fn is_section(&self, path: &str) -> bool {
        self.sections.iter().any(|section| section.name == path)
    }
}

impl Key {
    /// The environment variable that sets this key.
    pub(crate) fn environment(&self) -> String {
        let name = self.path.replace('.', "_").to_uppercase();
        format!("{ENVIRONMENT_PREFIX}{name}")
    }
}

impl Kind {
    fn of(schema: &Json) -> Self {
        let text = |key: &str| schema.get(key).and_then(Json::as_str).unwrap_or_default();
        if let Some(words) = schema.get("oneOf").and_then(Json::as_array) {
            let word = |one: &Json| {
                let name = one.get("const").and_then(Json::as_str)?;
                Some((name.to_owned(), paragraph(one)))
            };
            return Self::Choice(words.iter().filter_map(word).collect());
        }
        match (text("type"), text("format")) {
            ("integer", _) => Self::Integer,
            ("boolean", _) => Self::Flag,
            ("array", _) => Self::List,
            (_, "size") => Self::Size,
            (_, "duration") => Self::Duration,
            _ => Self::Text,
        }
    }

    /// What to write, for people.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text => "a text in quotes".into(),
            Self::Integer => "a whole number".into(),
            Self::Flag => "true or false".into(),
            Self::List => "a list of texts, such as [\"a\", \"b\"]".into(),
            Self::Size => "a size, such as \"64MiB\" or \"10G\"".into(),
            Self::Duration => "a duration, such as \"30s\" or \"5m\"".into(),
            Self::Choice(words) => {
                let words: Vec<String> =
                    words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }

    /// Whether a value has the right shape; what it says may still be nonsense.
    pub(crate) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer, Value::Integer(_)) | (Self::Flag, Value::Boolean(_)) => true,
            (Self::List, Value::Array(items)) => items.iter().all(Value::is_str),
            (Self::Text | Self::Size | Self::Duration, Value::String(_)) => true,
            (Self::Choice(words), Value::String(word)) => {
                words.iter().any(|(known, _)| known == word)
            }
            _ => false,
        }
    }

    /// What the text of an environment variable means for such a key. A text that means nothing stays a text, for
    /// the check of all values to refuse.
    pub(crate) fn read_text(&self, text: &str) -> Value {
        let kept = || Value::String(text.to_owned());
        match self {
            Self::Integer => text.trim().parse().map_or_else(|_| kept(), Value::Integer),
            Self::Flag => text.trim().parse().map_or_else(|_| kept(), Value::Boolean),
            Self::List => list(text.split(',')),
            _ => kept(),
        }
    }
}

/// A list of texts without the blank ones.
pub(crate) fn list<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    let items = items.map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

/// The dotted path of a key in a table.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn paragraph(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str);
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_kind_default_and_variable() {
        let key = KNOWN.key("store.layout_cache").unwrap();
        assert_eq!(key.kind, Kind::Size);
        assert_eq!(key.default, Value::String("64MiB".into()));
        assert_eq!(key.environment(), "RUST_NIX_SERVE_STORE_LAYOUT_CACHE");
        assert_eq!(KNOWN.key("listen").unwrap().kind, Kind::List);
        assert_eq!(KNOWN.key("workers").unwrap().kind, Kind::Integer);
        assert_eq!(KNOWN.key("cache_info.want_mass_query").unwrap().kind, Kind::Flag);
        assert_eq!(KNOWN.key("limits.idle_timeout").unwrap().kind, Kind::Duration);
        let Kind::Choice(policies) = &KNOWN.key("signing.policy").unwrap().kind else {
            panic!("the policy is a choice");
        };
        let names: Vec<&str> = policies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["add", "replace", "keep", "ultimate", "signed-by"]);
        assert!(policies.iter().all(|(_, meaning)| !meaning.is_empty()));
    }

    #[test]
    fn every_key_and_table_is_described() {
        assert!(KNOWN.keys.len() > 25, "{}", KNOWN.keys.len());
        for key in &KNOWN.keys {
            assert!(!key.description.is_empty(), "{}", key.path);
            assert!(key.kind.accepts(&key.default), "{}: {}", key.path, key.default);
        }
        for section in &KNOWN.sections {
            assert!(!section.description.is_empty(), "{}", section.name);
        }
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut names: Vec<String> = KNOWN.keys.iter().map(Key::environment).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn texts_of_the_environment_get_the_type_of_their_key() {
        assert_eq!(Kind::Integer.read_text("7"), Value::Integer(7));
        assert_eq!(Kind::Flag.read_text("false"), Value::Boolean(false));
        assert_eq!(Kind::Flag.read_text("no"), Value::String("no".into()));
        assert_eq!(Kind::List.read_text("a, b,"), Value::Array(vec!["a".into(), "b".into()]));
    }
}
