//! The values of all layers, each with the place it came from.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::{Table, Value};

use super::{
    dotted,
    problem::{Problem, ValueSource},
    raw::RawConfig,
    schema::{KNOWN_KEYS, Key},
};

/// The values that were set; a later layer replaces an earlier one key by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<String, (Value, ValueSource)>,
    /// The tables with chosen names that are there, perhaps without a key.
    named: BTreeMap<String, ValueSource>,
}

/// A key with its value, if it has one, and the place where that was set.
pub(crate) struct SettingRow<'a> {
    /// The dotted path, with the names of tables.
    pub(crate) path: String,
    pub(crate) value: Option<&'a Value>,
    pub(crate) source: ValueSource,
}

impl Settings {
    /// Sets a key, and replaces an earlier value.
    pub(crate) fn set(&mut self, key: &str, value: Value, source: ValueSource) {
        self.values.insert(key.to_owned(), (value, source));
    }

    /// Notes that there is a table with a chosen name.
    pub(crate) fn name_table(&mut self, table: &str, source: ValueSource) {
        self.named.entry(table.to_owned()).or_insert(source);
    }

    /// The value in effect of the key with this path, and where it came from.
    pub(crate) fn effective<'a>(
        &'a self,
        path: &str,
        key: &'a Key,
    ) -> (Option<&'a Value>, ValueSource) {
        if let Some((value, source)) = self.values.get(path) {
            return (Some(value), source.clone());
        }
        match key.inherits.and_then(|from| Some((from, KNOWN_KEYS.key(from)?))) {
            Some((from, key)) => self.effective(from, key),
            None => (key.default.as_ref(), ValueSource::Default),
        }
    }

    /// Every key, those of tables with chosen names once for each table that is there.
    pub(crate) fn rows(&self) -> impl Iterator<Item = SettingRow<'_>> {
        KNOWN_KEYS.keys.iter().flat_map(move |key| {
            let paths = match dotted::named_table(&key.path) {
                None => vec![key.path.clone()],
                Some(table) => {
                    let named = self.named.keys().filter(|name| dotted::matches(table, name));
                    named.map(|name| dotted::with_names_of(&key.path, name)).collect()
                }
            };
            paths.into_iter().map(move |path| {
                let (value, source) = self.effective(&path, key);
                SettingRow { path, value, source }
            })
        })
    }

    /// Where the value of a key came from, or the table with a chosen name that it would be in.
    pub(crate) fn source(&self, key: &str) -> ValueSource {
        if let Some((_, source)) = self.values.get(key) {
            return source.clone();
        }
        let above = std::iter::successors(Some(key), |path| Some(path.rsplit_once('.')?.0));
        above
            .filter_map(|path| self.named.get(path))
            .next()
            .cloned()
            .unwrap_or(ValueSource::Default)
    }

    /// Whether this key was set in any layer.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Whether the configuration file has set or named anything.
    pub(crate) fn has_any_from_file(&self) -> bool {
        let values = self.values.values().map(|(_, source)| source);
        values.chain(self.named.values()).any(|source| matches!(source, ValueSource::File { .. }))
    }

    /// Whether this key, or any key of this table, was set in any layer.
    pub(crate) fn is_any_set_below(&self, table: &str) -> bool {
        self.values.keys().any(|key| {
            key == table || key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The texts of a list key.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let Some(key) = KNOWN_KEYS.key(path) else {
            return Vec::new();
        };
        let value = self.effective(path, key).0.and_then(Value::as_array);
        let items = value.into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The keys whose values differ between two configurations.
    pub(crate) fn changed(&self, other: &Self) -> Vec<String> {
        let values = |settings: &Self| {
            let rows = settings.rows().map(|row| (row.path, row.value.cloned()));
            rows.collect::<BTreeMap<_, _>>()
        };
        let (ours, theirs) = (values(self), values(other));
        let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
        keys.filter(|key| {
            ours.get(*key).and_then(Option::as_ref) != theirs.get(*key).and_then(Option::as_ref)
        })
        .cloned()
        .collect()
    }

    /// The typed configuration. A value that cannot be used becomes a problem, and its default takes its place so
    /// that the others are checked all the same.
    pub(crate) fn typed(&self, problems: &mut Vec<Problem>) -> RawConfig {
        let mut whole = Table::new();
        for table in self.named.keys() {
            insert(&mut whole, table, &Value::Table(Table::new()));
        }
        for (path, (value, source)) in &self.values {
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
                source: ValueSource::Default,
                reason: error.message().to_owned(),
                hint: None,
            });
            RawConfig::default()
        })
    }
}

/// Reads one value alone, by the types of the whole file.
fn check(path: &str, value: &Value) -> Result<(), (String, Option<String>)> {
    let Some(key) = KNOWN_KEYS.key(path) else {
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

    fn flag() -> ValueSource {
        ValueSource::Flag("--test")
    }

    #[test]
    fn a_later_layer_replaces_key_by_key() {
        let mut settings = Settings::default();
        settings.set(
            "cache_info.priority",
            Value::Integer(30),
            ValueSource::Environment("A".into()),
        );
        settings.set("cache_info.want_mass_query", Value::Boolean(false), flag());
        settings.set("cache_info.priority", Value::Integer(20), flag());
        let mut problems = Vec::new();
        let raw = settings.typed(&mut problems);
        assert_eq!(problems, []);
        assert_eq!(raw.cache_info.priority, 20);
        assert!(!raw.cache_info.want_mass_query);
        assert_eq!(settings.source("cache_info.priority"), flag());
        assert_eq!(settings.source("workers"), ValueSource::Default);
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
        assert!(settings.is_any_set_below("store"));
        assert!(!settings.is_any_set_below("sto"));
        assert!(!settings.is_any_set_below("signing"));
    }

    #[test]
    fn a_named_table_has_its_own_keys_and_inherits_others() {
        let mut settings = Settings::default();
        settings.name_table("cache.a", flag());
        settings.set(
            "cache_info.priority",
            Value::Integer(7),
            ValueSource::Environment("P".into()),
        );
        let find = |settings: &Settings, path: &str| {
            let row = settings.rows().find(|row| row.path == path).unwrap();
            (row.value.cloned(), row.source)
        };
        let inherited = (Some(Value::Integer(7)), ValueSource::Environment("P".into()));
        assert_eq!(find(&settings, "cache.a.priority"), inherited);
        assert_eq!(find(&settings, "cache.a.expose.roots"), (None, ValueSource::Default));
        settings.set("cache.a.priority", Value::Integer(8), flag());
        assert_eq!(find(&settings, "cache.a.priority"), (Some(Value::Integer(8)), flag()));
        assert!(settings.rows().all(|row| !row.path.contains('<')));
        let raw = settings.typed(&mut Vec::new());
        assert_eq!(raw.cache.get("a").unwrap().priority, Some(8));
    }

    #[test]
    fn changes_of_named_tables_are_seen() {
        let mut before = Settings::default();
        before.name_table("cache.a", flag());
        before.set("cache.a.priority", Value::Integer(8), flag());
        let mut after = before.clone();
        assert_eq!(before.changed(&after), Vec::<String>::new());
        after.set("cache.a.expose.roots", Value::Array(Vec::new()), flag());
        assert_eq!(before.changed(&after), ["cache.a.expose.roots"]);
        assert!(before.changed(&Settings::default()).contains(&"cache.a.priority".to_owned()));
    }
}
