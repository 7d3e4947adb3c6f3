//! Where the index of the storage is.

use std::path::{Path, PathBuf};

use rns_storage::objects::StorageUrl;

use super::{diagnostics::Diagnostics, raw::RawIndex};

/// The directory of this program's state, a bucket's index among it, where neither the configuration nor systemd names one.
pub(super) const DEFAULT_STATE_DIRECTORY: &str = "/var/lib/rust-nix-serve";

/// The name of an index that is not named.
const FILE_NAME: &str = "index.sqlite";

/// Where the index of a storage is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum IndexConfig {
    /// In this file.
    Sqlite(PathBuf),
    /// In the database of this URL, which may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for IndexConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "Sqlite({})", file.display()),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// The index that `[index]` names for this storage.
pub(super) fn resolve(
    raw: &RawIndex,
    storage: &StorageUrl,
    diagnostics: &mut Diagnostics<'_>,
) -> IndexConfig {
    let default = IndexConfig::Sqlite(usual_file(storage, diagnostics));
    match raw.url.split_once(':') {
        None if raw.url.is_empty() => default,
        Some(("postgres" | "postgresql", _)) => IndexConfig::Postgres(raw.url.clone()),
        Some(("sqlite", file)) if file.starts_with("///") => {
            IndexConfig::Sqlite(file.trim_start_matches("//").into())
        }
        _ => {
            let hint = "write postgres:///database?host=/run/postgresql or sqlite:///a/file";
            // The text may hold a password.
            diagnostics.problem("index.url", "this is no URL of a database", hint);
            default
        }
    }
}

/// Commands of an operator and the unit of the server must find the same file.
fn usual_file(storage: &StorageUrl, diagnostics: &Diagnostics<'_>) -> PathBuf {
    if let StorageUrl::Directory(directory) = storage {
        return directory.join(".rust-nix-serve").join(FILE_NAME);
    }
    // systemd lists several directories with colons between them.
    let given = diagnostics.environment.get("STATE_DIRECTORY").unwrap_or_default();
    let given = given.split(':').next().filter(|first| first.starts_with('/'));
    Path::new(given.unwrap_or(DEFAULT_STATE_DIRECTORY)).join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{load_with, refusal};

    fn index(file: &str, variables: &[(&str, &str)]) -> IndexConfig {
        load_with(file, variables, &[]).unwrap().backends.storage.unwrap().index
    }

    #[test]
    fn the_index_is_where_it_is_named_or_beside_what_it_is_of() {
        let directory = "[storage]\nurl = \"file:///var/cache/binary\"\n";
        let bucket = "[storage]\nurl = \"s3://cache\"\n";
        let file = |text: &str| IndexConfig::Sqlite(text.into());
        assert_eq!(index(directory, &[]), file("/var/cache/binary/.rust-nix-serve/index.sqlite"));
        assert_eq!(index(bucket, &[]), file("/var/lib/rust-nix-serve/index.sqlite"));
        let variables = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")];
        assert_eq!(index(bucket, &variables), file("/var/lib/a/index.sqlite"));
        let named = |url: &str| index(&format!("{bucket}[index]\nurl = \"{url}\"\n"), &variables);
        assert_eq!(named("sqlite:///srv/index"), file("/srv/index"));
        let url = "postgres://me:s3cret@db/cache";
        assert_eq!(named(url), IndexConfig::Postgres(url.to_owned()));
        assert!(!format!("{:?}", named(url)).contains("s3cret"));
    }

    #[test]
    fn another_database_is_refused_without_its_password() {
        for url in ["mysql://me:s3cret@db/cache", "sqlite://relative", "/srv/index"] {
            let file = format!("[storage]\nurl = \"s3://cache\"\n[index]\nurl = \"{url}\"\n");
            let said = refusal(&file);
            assert!(said.contains("index.url") && !said.contains("s3cret"), "{said}");
        }
    }
}
