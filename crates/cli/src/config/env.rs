//! The environment: one variable for each key, and the variables that nix-serve, harmonia and Nix read.

use std::{
    collections::BTreeMap,
    env,
    io::{self, IsTerminal as _},
    process,
};

use toml::Value;

use super::{
    kind::{KeyKind, list},
    problem::ValueSource,
    schema::{ENVIRONMENT_PREFIX, KNOWN_KEYS, Key},
    settings::Settings,
    suggest,
};

/// Names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "RUST_NIX_SERVE_CONFIG";

/// Names the file of a client's queue.
pub(crate) const QUEUE_VARIABLE: &str = "RUST_NIX_SERVE_QUEUE";

/// Holds the token of a client.
pub(crate) const TOKEN_VARIABLE: &str = "RUST_NIX_SERVE_TOKEN";

/// Variables with the prefix that set no key.
const OTHER_VARIABLES: [&str; 3] = [CONFIG_VARIABLE, QUEUE_VARIABLE, TOKEN_VARIABLE];

/// The variables a process was started with. An empty one counts as not set, except where it is an empty list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// Whether this process writes to a terminal.
    is_at_terminal: bool,
}

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        let variables = env::vars_os().map(|(name, value)| (text(name), text(value)));
        let is_at_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self { is_at_terminal, ..variables.collect() }
    }

    /// Whether a user runs the program at a terminal, not systemd as a unit.
    ///
    /// A shell on a desktop inherits `INVOCATION_ID` from the unit of its terminal; `SYSTEMD_EXEC_PID` tells whose it is.
    pub(crate) fn is_of_a_user_at_a_terminal(&self) -> bool {
        let own_pid = process::id().to_string();
        let is_inherited = self.get("SYSTEMD_EXEC_PID").is_some_and(|pid| pid != own_pid);
        let is_unit = self.get("NOTIFY_SOCKET").is_some()
            || self.get("INVOCATION_ID").is_some() && !is_inherited;
        self.is_at_terminal && !is_unit
    }

    /// The same at a terminal.
    #[cfg(test)]
    pub(crate) fn at_a_terminal(self) -> Self {
        Self { is_at_terminal: true, ..self }
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Which sockets systemd passes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassedSockets {
    /// Those that `LISTEN_FDNAMES` names: this process is the server.
    OfThisProcess,
    /// Any: this process only reads the configuration of the server.
    Unknown,
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect(), is_at_terminal: false }
    }
}

/// Variables of other programs, with the key that each sets and the form of its value. Those of this program win.
pub(crate) const VARIABLES_OF_OTHERS: &[(&str, &str, &str)] = &[
    ("NIX_SECRET_KEY_FILE", "signing.keys", "one file, as for nix-serve"),
    ("SIGN_KEY_PATHS", "signing.keys", "files with blanks between them, as for harmonia"),
    ("SIGN_KEY_PATH", "signing.keys", "one file, as for harmonia"),
    ("NIX_STORE_DIR", "store.dir", "as for Nix"),
    ("RUST_LOG", "log.level", "as for most programs in Rust"),
];

/// Puts the values of the environment into `settings`, and variables that set no key into `warnings`.
pub(crate) fn read(environment: &Environment, settings: &mut Settings, warnings: &mut Vec<String>) {
    borrowed(environment, settings);
    let variables: BTreeMap<String, &Key> =
        KNOWN_KEYS.keys.iter().filter_map(|key| Some((key.environment()?, key))).collect();
    for (name, text) in &environment.variables {
        if let Some(key) = variables.get(name) {
            // An empty text is a value only for a list: `access.anonymous` without a permission.
            if text.is_empty() && key.kind != KeyKind::List {
                continue;
            }
            let source = ValueSource::Environment(name.clone());
            settings.set(&key.path, key.kind.read_text(text), source);
        } else if name.starts_with(ENVIRONMENT_PREFIX) && !OTHER_VARIABLES.contains(&name.as_str())
        {
            let known = variables.keys().map(String::as_str);
            let meant = suggest::nearest(name, known)
                .map(|known| format!("; did you mean {known}?"))
                .unwrap_or_default();
            warnings.push(format!("the environment variable {name} has no meaning{meant}"));
        }
    }
}

fn borrowed(environment: &Environment, settings: &mut Settings) {
    let mut keys = Vec::new();
    let mut names = Vec::new();
    for (name, key, _) in VARIABLES_OF_OTHERS {
        let Some(text) = environment.get(name) else {
            continue;
        };
        match *name {
            "SIGN_KEY_PATHS" => keys.extend(text.split_whitespace()),
            _ if *key == "signing.keys" => keys.push(text),
            _ => settings.set(
                key,
                Value::String(text.to_owned()),
                ValueSource::Environment((*name).into()),
            ),
        }
        if *key == "signing.keys" {
            names.push(*name);
        }
    }
    if !names.is_empty() {
        let source = ValueSource::Environment(names.join(" and "));
        settings.set("signing.keys", list(keys.into_iter()), source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_variables(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut settings = Settings::default();
        let mut warnings = Vec::new();
        read(&environment, &mut settings, &mut warnings);
        (settings, warnings)
    }

    #[test]
    fn each_key_has_its_variable() {
        let (settings, warnings) = read_variables(&[
            ("RUST_NIX_SERVE_SIGNING_KEYS", "a,b"),
            ("RUST_NIX_SERVE_CACHE_INFO_PRIORITY", "30"),
            ("RUST_NIX_SERVE_CONFIG", "/c.toml"),
            ("RUST_NIX_SERVE_QUEUE", "/q"),
            ("RUST_NIX_SERVE_TOKEN", "t"),
            ("RUST_NIX_SERVE_PUBLIC_URL", ""),
        ]);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(settings.list("signing.keys"), ["a", "b"]);
        let mut problems = Vec::new();
        assert_eq!(settings.typed(&mut problems).cache_info.priority, 30);
        assert_eq!(settings.source("public_url"), ValueSource::Default);
    }

    #[test]
    fn an_empty_variable_is_an_empty_list_where_the_key_is_one() {
        let (settings, warnings) = read_variables(&[
            ("RUST_NIX_SERVE_ACCESS_ANONYMOUS", ""),
            ("RUST_NIX_SERVE_EXPOSE_ROOTS", ""),
            ("RUST_NIX_SERVE_CACHE_INFO_PRIORITY", ""),
            ("SIGN_KEY_PATHS", ""),
        ]);
        assert_eq!(warnings, Vec::<String>::new());
        assert!(settings.is_set("access.anonymous") && settings.is_set("expose.roots"));
        assert!(!settings.is_set("cache_info.priority") && !settings.is_set("signing.keys"));
        let mut problems = Vec::new();
        let raw = settings.typed(&mut problems);
        assert_eq!(problems, []);
        assert_eq!((raw.access.anonymous, raw.expose.roots), (Vec::new(), Some(Vec::new())));
    }

    #[test]
    fn key_variables_of_other_servers_are_read_together_and_ours_goes_before_them() {
        let (settings, _) =
            read_variables(&[("SIGN_KEY_PATHS", "/b /c"), ("NIX_SECRET_KEY_FILE", "/a")]);
        assert_eq!(settings.list("signing.keys"), ["/a", "/b", "/c"]);
        assert_eq!(
            settings.source("signing.keys").to_string(),
            "environment variable NIX_SECRET_KEY_FILE and SIGN_KEY_PATHS"
        );
        let (settings, _) =
            read_variables(&[("NIX_SECRET_KEY_FILE", "/a"), ("RUST_NIX_SERVE_SIGNING_KEYS", "/z")]);
        assert_eq!(settings.list("signing.keys"), ["/z"]);
    }

    #[test]
    fn the_variables_of_nix_and_of_rust_programs_mean_what_they_mean_there() {
        let (settings, _) =
            read_variables(&[("NIX_STORE_DIR", "/gnu/store"), ("RUST_LOG", "debug")]);
        let raw = settings.typed(&mut Vec::new());
        assert_eq!((raw.store.dir.as_str(), raw.log.level.as_str()), ("/gnu/store", "debug"));
    }

    #[test]
    fn variables_without_a_key_are_warned_of() {
        let (_, warnings) = read_variables(&[("RUST_NIX_SERVE_SIGNING_KEY", "/a"), ("HOME", "/")]);
        assert_eq!(
            warnings,
            [
                "the environment variable RUST_NIX_SERVE_SIGNING_KEY has no meaning; did you mean RUST_NIX_SERVE_SIGNING_KEYS?"
            ]
        );
    }
}
