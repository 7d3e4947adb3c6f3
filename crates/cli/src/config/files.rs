//! The files that a configuration names: are they there, and can they be used?

use std::{
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use rns_cache::CacheError;
use rns_nix_store::{LocalStore, StoreConfig};
use rns_server::keys::load_key;
use rns_storage::objects::StorageUrl;

use super::{Loaded, Problem};

/// The problems of keys, certificates and the store.
pub(crate) fn check(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = check_credentials(loaded);
    problems.extend(unusable_storage(loaded));
    if !loaded.backends.has_local_store {
        return problems;
    }
    let database = &loaded.store.database;
    if let Err(error) = File::open(database) {
        problems.push(Problem {
            key: "store.database".to_owned(),
            source: loaded.settings.source("store.database"),
            reason: format!("cannot open {}: {error}", database.display()),
            hint: database_hint(&error),
        });
    }
    let real_dir = &loaded.store.real_dir;
    let refused = match fs::metadata(real_dir) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some(format!("{} is not a directory", real_dir.display())),
        Err(error) => Some(format!("cannot open {}: {error}", real_dir.display())),
    };
    let is_there = problems.is_empty() && refused.is_none();
    problems.extend(refused.map(|reason| Problem {
        key: "store.real_dir".to_owned(),
        source: loaded.settings.source("store.real_dir"),
        reason,
        hint: Some("the store paths must be there: is the file system mounted?".to_owned()),
    }));
    if is_there {
        problems.extend(unreadable_store(loaded));
    }
    problems
}

/// The problem of a storage whose directory is not there.
fn unusable_storage(loaded: &Loaded) -> Option<Problem> {
    let StorageUrl::Directory(directory) = &loaded.backends.storage.as_ref()?.url else {
        return None;
    };
    let reason = match fs::metadata(directory) {
        Ok(found) if found.is_dir() => return None,
        Ok(_) => format!("{} is not a directory", directory.display()),
        Err(error) => format!("cannot open {}: {error}", directory.display()),
    };
    Some(Problem {
        key: "storage.url".to_owned(),
        source: loaded.settings.source("storage.url"),
        reason,
        hint: Some(format!(
            "mount it, or make it for the user of the server: install -d -o USER {}",
            directory.display()
        )),
    })
}

/// The problem of a store that the server could not serve though its files are there, such as a database of other paths.
fn unreadable_store(loaded: &Loaded) -> Option<Problem> {
    let config = StoreConfig { daemon_socket: None, ..loaded.store.clone() };
    let (reason, hint) = match LocalStore::open(config).readable_blocking().err()? {
        CacheError::Unavailable { what, remedy } => (what, Some(remedy.to_owned())),
        error => (error.to_string(), None),
    };
    let source = loaded.settings.source("store.database");
    Some(Problem { key: "store.database".to_owned(), source, reason, hint })
}

/// The problems of keys, tokens and certificates.
pub(crate) fn check_credentials(loaded: &Loaded) -> Vec<Problem> {
    let problem = |key: &str, reason: String| Problem {
        key: key.to_owned(),
        source: loaded.settings.source(key),
        reason,
        hint: None,
    };
    let mut problems = Vec::new();
    for (name, cache) in loaded.server.caches.all() {
        let table = name.map(|name| format!("cache.{name}.")).unwrap_or_default();
        let key = format!("{table}signing.keys");
        // Those that are taken over are told of where they are written.
        if name.is_none() || loaded.settings.is_set(&key) {
            let unusable = cache.signing.keys.iter().filter_map(|path| load_key(path).err());
            problems.extend(unusable.map(|error| problem(&key, error.to_string())));
        }
        let unusable = rns_server::auth::token_problems(&cache.access);
        problems.extend(unusable.map(|reason| problem(&format!("{table}access.tokens"), reason)));
        for (name, reason) in rns_server::auth::issuer_problems(&cache.access) {
            problems.push(problem(&format!("{table}access.oidc.{name}"), reason));
        }
    }
    if let Some(files) = &loaded.server.tls
        && let Err(error) = rns_server::tls::check(files)
    {
        let key = match &error.path {
            path if *path == files.key => "tls.key",
            path if Some(path) == files.client_ca.as_ref() => "tls.client_ca",
            _ => "tls.certificate",
        };
        problems.push(problem(key, error.to_string()));
    }
    problems
}

/// A warning where clients refuse the certificate because of its dates.
pub(crate) fn certificate_warning(loaded: &Loaded) -> Option<String> {
    let files = loaded.server.tls.as_ref()?;
    let error = rns_server::tls::check_validity(files, SystemTime::now()).err()?;
    Some(format!("tls.certificate: {error}"))
}

/// Warnings about the files that the configuration names.
pub(crate) fn warnings(loaded: &Loaded) -> Vec<String> {
    certificate_warning(loaded).into_iter().chain(missing_roots(loaded)).collect()
}

/// Warnings about roots that are exposed and not there.
pub(crate) fn missing_roots(loaded: &Loaded) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, cache) in loaded.server.caches.all() {
        let table = name.map(|name| format!("cache.{name}.")).unwrap_or_default();
        let roots = cache.expose.roots.iter().flatten();
        for root in roots.filter(|root| is_missing(root)) {
            warnings.push(format!(
                "{table}expose.roots: {} is not there, and shows nothing until it is",
                root.display()
            ));
        }
    }
    warnings
}

/// Whether there is no such link, path or directory. Only the part before a `*` is looked at.
fn is_missing(root: &Path) -> bool {
    let is_plain =
        |component: &Component<'_>| !component.as_os_str().as_encoded_bytes().contains(&b'*');
    let plain: PathBuf = root.components().take_while(is_plain).collect();
    match fs::symlink_metadata(plain) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn database_hint(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "is there a Nix store? `root` in [store] says below which directory"
        }
        io::ErrorKind::PermissionDenied => {
            "in a usual store, every user can read the database and its directory"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
