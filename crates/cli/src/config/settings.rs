//! The values of all layers, each with the place it came from.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::{Table, Value};

use super::{
    problem::{Problem, Source},
    raw::RawConfig,
    schema::{KNOWN, Key},
};

/// What somebody has set; a later layer replaces an earlier one key by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(BTreeMap<String, (Value, Source)>);

impl Settings {
    /// Sets a key, whatever said so before.
    pub(crate) fn set(&mut self, key: &str, value: Value, source: Source) {
        self.0.insert(key.to_owned(), (value, source));
    }

    /// The value in effect and where it came from.
    pub(crate) fn effective<'a>(&'a self, key: &'a Key) -> (&'a Value, Source) {
        match self.0.get(&key.path) {
            Some((value, source)) => (value, source.clone()),
            None => (&key.default, Source::Default),
        }
    }

    /// Where the value of a key came from.
    pub(crate) fn source(&self, key: &str) -> Source {
        self.0.get(key).map_or(Source::Default, |(_, source)| source.clone())
    }

    /// Whether anything below this table, or this key itself, was set by somebody.
    pub(crate) fn says_anything_about(&self, table: &str) -> bool {
        self.0.keys().any(|key| {
            key == table || key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The texts of a list key.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let Some(key) = KNOWN.key(path) else {
            return Vec::new();
        };
        let items = self.effective(key).0.as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The keys whose values differ between two configurations.
    pub(crate) fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static str> {
        KNOWN
            .keys
            .iter()
            .filter(move |key| self.effective(key).0 != other.effective(key).0)
            .map(|key| key.path.as_str())
    }

    /// The typed configuration. A value that cannot be used becomes a problem, and its default takes its place so
    /// that the others are checked all the same.
    pub(crate) fn typed(&self, problems: &mut Vec<Problem>) -> RawConfig {
        let mut whole = Table::new();
        for (path, (value, source)) in &self.0 {
            match check(path, value) {
                Ok(()) => insert(&mut whole, path, value),
                Err((reason, hint)) => problems.push(Problem {
                    key: path.clone(),
                    source: source.clone(),
                    reason,
                    hint,
                }),
            }
        }
        RawConfig::deserialize(whole).unwrap_or_else(|error| {
            problems.push(Problem {
                key: String::new(),
                source: Source::Default,
                reason: error.message().to_owned(),
                hint: None,
            });
            RawConfig::default()
        })
    }
}

/// Reads one value alone, by the types of the whole file.
fn check(path: &str, value: &Value) -> Result<(), (String, Option<String>)> {
    let Some(key) = KNOWN.key(path) else {
        return Err(("there is no such key".into(), None));
    };
    if !key.kind.accepts(value) {
        let reason = format!("expected {}, found {}", key.kind.expected(), shown(value));
        return Err((reason, None));
    }
    let mut alone = Table::new();
    insert(&mut alone, path, value);
    match RawConfig::deserialize(alone) {
        Ok(_) => Ok(()),
        Err(error) => {
            let hint = format!("expected {}", key.kind.expected());
            Err((error.message().to_owned(), Some(hint)))
        }
    }
}

fn insert(table: &mut Table, path: &str, value: &Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value.clone());
        }
        Some((section, rest)) => {
            let inner =
                table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A value as a message shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => format!("the list {value}"),
        Value::Table(_) => "a table".into(),
        other => format!("{} {other}", other.type_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag() -> Source {
        Source::Flag("--test")
    }

    #[test]
    fn a_later_layer_replaces_key_by_key() {
        let mut settings = Settings::default();
        settings.set("cache_info.priority", Value::Integer(30), Source::Environment("A".into()));
        settings.set("cache_info.want_mass_query", Value::Boolean(false), flag());
        settings.set("cache_info.priority", Value::Integer(20), flag());
        let mut problems = Vec::new();
        let raw = settings.typed(&mut problems);
        assert_eq!(problems, []);
        assert_eq!(raw.cache_info.priority, 20);
        assert!(!raw.cache_info.want_mass_query);
        assert_eq!(settings.source("cache_info.priority"), flag());
        assert_eq!(settings.source("workers"), Source::Default);
    }

    #[test]
    fn every_wrong_value_is_told_and_the_right_ones_stay() {
        let mut settings = Settings::default();
        settings.set("workers", "many".into(), flag());
        settings.set("limits.downloads", Value::Integer(-1), flag());
        settings.set("limits.idle_timeout", "soon".into(), flag());
        settings.set("signing.policy", "some".into(), flag());
        settings.set("listen", "127.0.0.1:1".into(), flag());
        settings.set("cache_info.priority", Value::Integer(9), flag());
        let mut problems = Vec::new();
        let raw = settings.typed(&mut problems);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let said = said.join("\n");
        assert_eq!(problems.len(), 5, "{said}");
        assert_eq!(raw.cache_info.priority, 9);
        assert!(
            said.contains(
                "workers (flag --test): expected a whole number, found the text \"many\""
            ),
            "{said}"
        );
        assert!(said.contains("`soon` is not a duration"), "{said}");
        assert!(said.contains("\"signed-by\", found the text \"some\""), "{said}");
        assert!(said.contains("listen (flag --test): expected a list"), "{said}");
        assert!(said.contains("limits.downloads (flag --test): invalid value"), "{said}");
    }

    #[test]
    fn tables_know_whether_they_were_mentioned() {
        let mut settings = Settings::default();
        settings.set("store.root", "/x".into(), flag());
        assert!(settings.says_anything_about("store"));
        assert!(!settings.says_anything_about("sto"));
        assert!(!settings.says_anything_about("signing"));
    }
}
