//! Problems of a configuration, each with its place and, where it is known, its remedy.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// The built-in value: the key was not set.
    Default,
    /// A line of the configuration file, counted from 1.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One problem, and the place where the value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The dotted key; empty when the file as a whole is meant.
    pub(crate) key: String,
    /// Where the value was given.
    pub(crate) source: ValueSource,
    /// Why the value is refused.
    pub(crate) reason: String,
    /// A value that would be accepted, where one is known.
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), &self.source) {
            ("", source) => write!(f, "{source}: {}", self.reason)?,
            (key, ValueSource::Default) => write!(f, "{key}: {}", self.reason)?,
            (key, source) => write!(f, "{key} ({source}): {}", self.reason)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n    {hint}"),
            None => Ok(()),
        }
    }
}

/// All problems of one configuration. Never empty.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_problems_names_key_place_reason_and_remedy() {
        let error = ConfigError(vec![
            Problem {
                key: "signing.kyes".into(),
                source: ValueSource::File { path: "/etc/c.toml".into(), line: 7 },
                reason: "there is no such key".into(),
                hint: Some("did you mean `signing.keys`?".into()),
            },
            Problem {
                key: "workers".into(),
                source: ValueSource::Environment("RUST_NIX_SERVE_WORKERS".into()),
                reason: "expected a whole number".into(),
                hint: None,
            },
        ]);
        assert_eq!(
            error.to_string(),
            "the configuration has 2 problems:\n  \
             signing.kyes (/etc/c.toml:7): there is no such key\n    \
             did you mean `signing.keys`?\n  \
             workers (environment variable RUST_NIX_SERVE_WORKERS): expected a whole number"
        );
    }
}
