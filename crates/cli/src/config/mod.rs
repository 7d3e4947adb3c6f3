//! The configuration: one TOML file, the environment over it, flags over that.
//!
//! [`load`] puts the layers together key by key and remembers where each value came from, reads the result by the
//! types of [`raw`], and resolves it into the configuration of the server. All problems of all layers are reported at once.

mod access;
mod caches;
mod diagnostics;
mod dotted;
pub(crate) mod env;
mod expose;
mod file;
pub(crate) mod files;
mod flags;
mod import;
mod index;
mod kind;
mod listen;
mod listeners;
mod nar_cache;
mod nginx;
mod oidc;
mod other_servers;
mod permissions;
mod problem;
mod raw;
pub(crate) mod reference;
mod resolve;
mod retention;
mod schema;
mod settings;
mod signing;
mod storage;
mod store;
mod store_uri;
mod suggest;
mod units;
mod upload;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rns_nix_store::StoreConfig;
use rns_server::config::ServerConfig;

pub(crate) use env::{Environment, PassedSockets};
pub(crate) use index::IndexConfig;
pub(crate) use problem::{ConfigError, Problem, ValueSource};
pub(crate) use settings::Settings;
pub(crate) use storage::{BackendsConfig, StorageConfig};
pub(crate) use units::{ByteSize, Span};

use self::diagnostics::Diagnostics;
use crate::{args::ServeArgs, logging::LogConfig};

/// The configuration file where neither a flag nor the environment names one.
pub(crate) const DEFAULT_FILE: &str = "/etc/rust-nix-serve/config.toml";

/// Whether a reload takes up a changed value of this key; otherwise a restart does.
pub(crate) fn takes_effect_on_reload(key: &str) -> bool {
    schema::KNOWN_KEYS.key(key).is_some_and(|key| key.is_reloadable)
}

/// A configuration without a problem.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The configuration of the server.
    pub(crate) server: ServerConfig,
    /// The local store, if it is served.
    pub(crate) store: StoreConfig,
    /// Which backends are served.
    pub(crate) backends: BackendsConfig,
    /// How the program logs.
    pub(crate) log: LogConfig,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// The file in the usual place, where this user may not read it and does not need to.
    pub(crate) refused_file: Option<PathBuf>,
    /// The values as written, with their sources.
    pub(crate) settings: Settings,
    /// Faults that do not prevent serving.
    pub(crate) warnings: Vec<String>,
}

impl Loaded {
    /// Whether a store or signing was configured: then a missing store is an outage.
    pub(crate) fn is_deliberate(&self) -> bool {
        self.file.is_some()
            || ["store", "signing"].iter().any(|table| self.settings.is_any_set_below(table))
    }

    /// Whether the file has any key or named table.
    pub(crate) fn has_file_with_keys(&self) -> bool {
        self.file.is_some() && self.settings.has_any_from_file()
    }
}

/// Reads the configuration from all its layers.
///
/// # Errors
///
/// All problems of all layers.
pub(crate) fn load(
    args: &ServeArgs,
    environment: &Environment,
    passed: PassedSockets,
) -> Result<Loaded, ConfigError> {
    load_as(args, environment, passed, ConfigReader::Server)
}

/// As [`load`], for a command of a client: a file in the usual place that only the server may read counts as absent. A file
/// that the user names must be readable.
///
/// # Errors
///
/// All problems of all layers.
pub(crate) fn load_for_client(
    args: &ServeArgs,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    load_as(args, environment, PassedSockets::Unknown, ConfigReader::Client)
}

/// The reader of a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConfigReader {
    /// The server, or a command about it, which would be about another server without the file.
    Server,
    /// A client of caches, to which the file says at most where the store is.
    Client,
}

/// The file of a configuration.
#[derive(Default)]
struct ConfigFile {
    read: Option<PathBuf>,
    refused: Option<PathBuf>,
}

fn load_as(
    args: &ServeArgs,
    environment: &Environment,
    passed: PassedSockets,
    reader: ConfigReader,
) -> Result<Loaded, ConfigError> {
    let mut settings = Settings::default();
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let named = named_file(args, environment);
    let file = match read_file(named, &mut settings, &mut problems) {
        ConfigFile { refused: Some(path), .. } if reader == ConfigReader::Server => {
            let refused = io::Error::from(io::ErrorKind::PermissionDenied);
            problems.push(unreadable(&path, ValueSource::Default, &refused));
            ConfigFile::default()
        }
        found => found,
    };
    let ConfigFile { read: file, refused: refused_file } = file;
    env::read(environment, &mut settings, &mut warnings);
    flags::read(args, &mut settings, &mut problems, &mut warnings);
    let raw = settings.typed(&mut problems);
    let mut diagnostics =
        Diagnostics::new(&settings, environment, passed, &mut problems, &mut warnings);
    let (server, store, log) = resolve::resolve(&raw, &mut diagnostics);
    let backends = storage::resolve(&raw, &store, &mut diagnostics);
    if let Some(file) = file.as_ref().filter(|_| !settings.has_any_from_file()) {
        warnings.push(format!(
            "{} has no key in it: it changes nothing, and keys that are not set elsewhere have their defaults",
            file.display()
        ));
    }
    if problems.is_empty() {
        Ok(Loaded { server, store, backends, log, file, refused_file, settings, warnings })
    } else {
        Err(ConfigError(problems))
    }
}

/// The file that the command line or the environment names, and where it is named.
fn named_file(args: &ServeArgs, environment: &Environment) -> Option<(PathBuf, ValueSource)> {
    let flag = args.config.clone().map(|path| (path, ValueSource::Flag("--config")));
    flag.or_else(|| {
        let path = environment.get(env::CONFIG_VARIABLE)?;
        Some((path.into(), ValueSource::Environment(env::CONFIG_VARIABLE.into())))
    })
}

/// Reads the file that is named, or the one in its usual place when it is there.
fn read_file(
    named: Option<(PathBuf, ValueSource)>,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) -> ConfigFile {
    let (path, source) = match named {
        Some((path, source)) => (path, Some(source)),
        None => (DEFAULT_FILE.into(), None),
    };
    match fs::read_to_string(&path) {
        Ok(text) => {
            file::read(&path, &text, settings, problems);
            return ConfigFile { read: Some(path), refused: None };
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && source.is_none() => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && source.is_none() => {
            return ConfigFile { read: None, refused: Some(path) };
        }
        Err(error) => {
            problems.push(unreadable(&path, source.unwrap_or(ValueSource::Default), &error))
        }
    }
    ConfigFile::default()
}

fn unreadable(path: &Path, source: ValueSource, error: &io::Error) -> Problem {
    let hint = match error.kind() {
        io::ErrorKind::IsADirectory => Some("expected a TOML file, not a directory".to_owned()),
        io::ErrorKind::InvalidData => Some("expected a TOML file in UTF-8".to_owned()),
        _ => None,
    };
    Problem {
        key: "the configuration file".to_owned(),
        source,
        reason: format!("cannot read {}: {error}", path.display()),
        hint,
    }
}

#[cfg(test)]
pub(crate) use tests::load_text;

#[cfg(test)]
mod tests;
