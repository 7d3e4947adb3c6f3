//! The kinds of values that keys hold.

use serde_json::Value as Json;
use toml::Value;

/// The kind of value that a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Text,
    Integer,
    Flag,
    List,
    Size,
    Duration,
    /// A part of a disk.
    Share,
    /// One of these words, each with its meaning.
    Choice(Vec<(String, String)>),
}

impl KeyKind {
    /// Reads it from the description of a type.
    pub(super) fn of(schema: &Json) -> Self {
        // Keys without a default are `null` or something.
        if let Some(some) = schema.get("anyOf").and_then(Json::as_array).and_then(|any| any.first())
        {
            return Self::of(some);
        }
        let text = |key: &str| match schema.get(key) {
            Some(Json::Array(words)) => words.first().and_then(Json::as_str).unwrap_or_default(),
            other => other.and_then(Json::as_str).unwrap_or_default(),
        };
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
            (_, "share") => Self::Share,
            _ => Self::Text,
        }
    }

    /// The accepted form, for messages.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text => "a text in quotes".into(),
            Self::Integer => "a whole number".into(),
            Self::Flag => "true or false".into(),
            Self::List => "a list of texts, such as [\"a\", \"b\"]".into(),
            Self::Size => "a size, such as \"64MiB\" or \"10G\"".into(),
            Self::Duration => "a duration, such as \"30s\" or \"5m\"".into(),
            Self::Share => "a part of a disk, such as \"20%\" or \"50G\"".into(),
            Self::Choice(words) => {
                let words: Vec<String> =
                    words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }

    /// Whether a value is of this kind. Its text may still be wrong.
    pub(crate) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer, Value::Integer(_)) | (Self::Flag, Value::Boolean(_)) => true,
            (Self::List, Value::Array(items)) => items.iter().all(Value::is_str),
            (Self::Text | Self::Size | Self::Duration | Self::Share, Value::String(_)) => true,
            (Self::Choice(words), Value::String(word)) => {
                words.iter().any(|(known, _)| known == word)
            }
            _ => false,
        }
    }

    /// Reads the text of an environment variable. A text that is not of this kind stays a text, which the check of all
    /// values refuses.
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

/// The description in a schema, as one line.
pub(super) fn paragraph(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str);
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

/// A list of texts without the blank ones.
pub(crate) fn list<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    let items = items.map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_environment_get_the_type_of_their_key() {
        assert_eq!(KeyKind::Integer.read_text("7"), Value::Integer(7));
        assert_eq!(KeyKind::Flag.read_text("false"), Value::Boolean(false));
        assert_eq!(KeyKind::Flag.read_text("no"), Value::String("no".into()));
        assert_eq!(KeyKind::List.read_text("a, b,"), Value::Array(vec!["a".into(), "b".into()]));
    }
}
