//! The TOML file: read with the line of every key, unknown keys refused with the nearest known one.

use std::path::Path;

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::{
    dotted::{self, join},
    other_servers,
    problem::{Problem, ValueSource},
    schema::{KNOWN_KEYS, Key},
    settings::Settings,
    suggest,
};

/// Puts the values of the file into `settings`, and its faults into `problems`.
pub(crate) fn read(path: &Path, text: &str, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let mut reader = ConfigFileReader { path, text, settings, problems };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.refuse("", at, error.message().to_owned(), None);
    }
    reader.table("", table.get_ref());
}

struct ConfigFileReader<'a> {
    path: &'a Path,
    text: &'a str,
    settings: &'a mut Settings,
    problems: &'a mut Vec<Problem>,
}

impl ConfigFileReader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = join(prefix, name.get_ref());
            self.entry(&path, name.span().start, value);
        }
    }

    fn entry(&mut self, path: &str, at: usize, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(inner) if KNOWN_KEYS.is_map(path) => self.named_tables(path, inner),
            DeValue::Table(inner) if KNOWN_KEYS.is_section(path) => self.table(path, inner),
            _ if KNOWN_KEYS.is_section(path) => {
                let reason = format!("expected a table: write the keys below a line [{path}]");
                self.refuse(path, at, reason, None);
            }
            _ if KNOWN_KEYS.is_map(path) => {
                let reason = format!("expected tables with names, such as [{path}.example]");
                self.refuse(path, at, reason, None);
            }
            _ if KNOWN_KEYS.key(path).is_none() => {
                self.refuse(path, at, "there is no such key".into(), advice(path));
            }
            value => match plain(value) {
                Ok(value) => {
                    let source = self.source(at);
                    self.settings.set(path, value, source);
                }
                Err(error) => self.refuse(path, at, error.to_string(), None),
            },
        }
    }

    /// Tables whose names people have chosen.
    fn named_tables(&mut self, map: &str, tables: &DeTable<'_>) {
        for (name, value) in tables {
            let path = join(map, name.get_ref());
            let at = name.span().start;
            if !dotted::is_name(name.get_ref()) {
                let reason = format!("`{}` cannot name a table", name.get_ref());
                self.refuse(&path, at, reason, Some(dotted::NAME_HINT.to_owned()));
                continue;
            }
            if matches!(value.get_ref(), DeValue::Table(_)) {
                let source = self.source(at);
                self.settings.name_table(&path, source);
            }
            self.entry(&path, at, value);
        }
    }

    fn source(&self, at: usize) -> ValueSource {
        let before = self.text.as_bytes().iter().take(at);
        ValueSource::File {
            path: self.path.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
        }
    }

    fn refuse(&mut self, key: &str, at: usize, reason: String, hint: Option<String>) {
        let source = self.source(at);
        self.problems.push(Problem { key: key.to_owned(), source, reason, hint });
    }
}

/// The hint for a key that does not exist.
fn advice(path: &str) -> Option<String> {
    if let Some(advice) = other_servers::advice(path) {
        return Some(advice.to_owned());
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    // In a named table, only keys of that table are suggested.
    let near = |key: &&Key| match dotted::named_table(&key.path) {
        None => !KNOWN_KEYS.keys.iter().any(|key| is_in_same_named_table(&key.path, path)),
        Some(_) => is_in_same_named_table(&key.path, path),
    };
    let keys: Vec<String> = KNOWN_KEYS
        .keys
        .iter()
        .filter(near)
        .map(|key| dotted::with_names_of(&key.path, path))
        .collect();
    let elsewhere: Vec<&String> =
        keys.iter().filter(|known| known.rsplit('.').next() == Some(last)).collect();
    let found = match elsewhere.as_slice() {
        [only] => Some(only.as_str()),
        _ => suggest::nearest(path, keys.iter().map(String::as_str).chain(KNOWN_KEYS.tables())),
    };
    found.map(|known| format!("did you mean `{known}`?"))
}

/// Whether a path is in one of the tables that a key with a chosen name in its path is in.
fn is_in_same_named_table(pattern: &str, path: &str) -> bool {
    let Some(table) = dotted::named_table(pattern) else { return false };
    let parts: Vec<&str> = path.split('.').take(table.split('.').count()).collect();
    dotted::matches(table, &parts.join("."))
}

/// A number that no key can hold.
#[derive(Debug, thiserror::Error)]
enum NumberError {
    #[error("{0} is too large a number")]
    TooLarge(String),
    #[error("{0} is not a number")]
    NotANumber(String),
}

/// The value without its place in the file.
fn plain(value: &DeValue<'_>) -> Result<Value, NumberError> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map(Value::Integer)
            .map_err(|_| NumberError::TooLarge(digits.as_str().to_owned()))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map(Value::Float)
            .map_err(|_| NumberError::NotANumber(number.as_str().to_owned()))?,
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| plain(item.get_ref()));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| {
                Ok((key.get_ref().clone().into_owned(), plain(value.get_ref())?))
            });
            Value::Table(entries.collect::<Result<_, NumberError>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Settings, String) {
        let mut settings = Settings::default();
        let mut problems = Vec::new();
        read(Path::new("c.toml"), text, &mut settings, &mut problems);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        (settings, said.join("\n"))
    }

    #[test]
    fn every_value_remembers_its_line() {
        let (settings, said) =
            read_text("# a comment\nworkers = 0x10\n\n[signing]\nkeys = [\n  \"a\",\n]\n");
        assert_eq!(said, "");
        assert_eq!(settings.source("workers").to_string(), "c.toml:2");
        assert_eq!(settings.source("signing.keys").to_string(), "c.toml:5");
        assert_eq!(settings.list("signing.keys"), ["a"]);
        let workers = KNOWN_KEYS.key("workers").unwrap();
        assert_eq!(settings.effective("workers", workers).0, Some(&Value::Integer(16)));
    }

    #[test]
    fn unknown_keys_are_refused_with_what_was_meant() {
        let (_, said) = read_text(
            "listne = []\nbind = \"[::]:5000\"\nqwertyuiop = 1\nkeys = []\n[signing]\nkyes = []\n[sotre]\ndir = 1\n",
        );
        let expected = [
            "listne (c.toml:1): there is no such key\n    did you mean `listen`?",
            "bind (c.toml:2): there is no such key\n    write `listen = [\"…\"]`",
            "keys (c.toml:4): there is no such key\n    did you mean `signing.keys`?",
            "signing.kyes (c.toml:6): there is no such key\n    did you mean `signing.keys`?",
            "sotre (c.toml:7): there is no such key\n    did you mean `store`?",
        ];
        for line in expected {
            assert!(said.contains(line), "{line}\nin\n{said}");
        }
        assert!(said.contains("qwertyuiop (c.toml:3): there is no such key"), "{said}");
        assert!(!said.contains("key\n    did you mean `qw"), "{said}");
    }

    #[test]
    fn tables_with_names_are_read_and_suggested_with_these() {
        let (settings, said) = read_text(
            "[cache.team-a]\npriority = 3\nprioritty = 3\nkeys = []\n[cache.team-a.acess]\ntokens = \"t\"\n\
             [cache.b]\n[cache.B]\n[cache.\"x.y\"]\n[cache]\nc = 1\n[access.oidc.ci]\nisuer = \"x\"\n\
             [cache.b.access.oidc.hub]\nissuer = \"x\"\n[cahe.x]\n",
        );
        assert_eq!(settings.source("cache.team-a.priority").to_string(), "c.toml:2");
        assert_eq!(settings.source("cache.b").to_string(), "c.toml:7");
        assert_eq!(settings.source("cache.b.access.oidc.hub.issuer").to_string(), "c.toml:15");
        let expected = [
            "cache.team-a.prioritty (c.toml:3): there is no such key\n    did you mean `cache.team-a.priority`?",
            "cache.team-a.keys (c.toml:4): there is no such key\n    did you mean `cache.team-a.signing.keys`?",
            "cache.team-a.acess (c.toml:5): there is no such key",
            "cache.B (c.toml:8): `B` cannot name a table",
            "`x.y` cannot name a table",
            "cache.c (c.toml:11): expected a table: write the keys below a line [cache.c]",
            "access.oidc.ci.isuer (c.toml:13): there is no such key\n    did you mean `access.oidc.ci.issuer`?",
            "cahe (c.toml:16): there is no such key\n    did you mean `cache`?",
        ];
        for line in expected {
            assert!(said.contains(line), "{line}\nin\n{said}");
        }
    }

    #[test]
    fn a_broken_file_is_told_by_line_and_what_could_be_read_is_checked_too() {
        let (_, said) = read_text("workers = \nstore = 3\nwrokers = 1\n");
        assert!(said.contains("c.toml:1: "), "{said}");
        assert!(said.contains("store (c.toml:2): expected a table"), "{said}");
        assert!(said.contains("did you mean `workers`?"), "{said}");
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let (_, said) = read_text("workers = 1\nworkers = 2\n");
        assert!(said.contains("c.toml:2: duplicate key"), "{said}");
    }
}
