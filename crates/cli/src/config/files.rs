//! The files that a configuration names: are they there, and can they be used?

use std::{fs::File, io};

use super::{Loaded, Problem};

/// Everything that is wrong with keys, certificates and the store.
pub(crate) fn check(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = check_credentials(loaded);
    let database = &loaded.server.store.database;
    if let Err(error) = File::open(database) {
        problems.push(Problem {
            key: "store.database".to_owned(),
            source: loaded.settings.source("store.database"),
            reason: format!("cannot open {}: {error}", database.display()),
            hint: database_hint(&error),
        });
    }
    problems
}

/// Everything that is wrong with keys, tokens and certificates.
pub(crate) fn check_credentials(loaded: &Loaded) -> Vec<Problem> {
    let problem = |key: &str, reason: String| Problem {
        key: key.to_owned(),
        source: loaded.settings.source(key),
        reason,
        hint: None,
    };
    let keys = loaded.server.caches.all().flat_map(|(_, cache)| &cache.signing.keys);
    let mut problems: Vec<Problem> = keys
        .filter_map(|path| rns_server::keys::load_key(path).err())
        .map(|error| problem("signing.keys", error.to_string()))
        .collect();
    let access = loaded.server.caches.all().map(|(_, cache)| &cache.access);
    let access = access.flat_map(rns_server::access::problems);
    problems.extend(access.map(|reason| problem("access.tokens", reason)));
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

fn database_hint(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "is there a Nix store? `root` in [store] says below which directory"
        }
        io::ErrorKind::PermissionDenied => {
            "the database and its directory are readable for everybody in a usual store"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
