//! A reload must not open a cache by accident: a file that is gone, or was emptied, is not a wish for the defaults, and
//! whatever lets clients have more is told.

use std::path::PathBuf;

use rns_server::{auth::Permission, config::CachesConfig};

use crate::config::Loaded;

/// Why a reload is refused: the configuration file is not a wish for the defaults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReloadRefused {
    #[error("{path} is not there any more; to go on without it, restart", path = .0.display())]
    FileGone(PathBuf),
    #[error("{path} has become empty; to go on with the defaults, restart", path = .0.display())]
    FileEmpty(PathBuf),
}

/// Whether the file of the last configuration is still there and says something.
///
/// # Errors
/// When the file is gone or has become empty.
pub(super) fn check_file(last: &Loaded, new: &Loaded) -> Result<(), ReloadRefused> {
    let Some(file) = &last.file else { return Ok(()) };
    if new.file.is_none() {
        return Err(ReloadRefused::FileGone(file.clone()));
    }
    if last.has_file_with_keys() && !new.has_file_with_keys() {
        return Err(ReloadRefused::FileEmpty(file.clone()));
    }
    Ok(())
}

/// The permissions and paths that clients of each cache gain by a reload, for the log.
pub(super) fn widened(last: &CachesConfig, new: &CachesConfig) -> Vec<String> {
    let mut widened = Vec::new();
    for (name, cache) in new.all() {
        let Some((_, before)) = last.all().find(|(other, _)| *other == name) else { continue };
        let label = name.map(|name| format!("cache {name}: ")).unwrap_or_default();
        let is_new = |permission: &Permission| {
            cache.access.anonymous.has(*permission) && !before.access.anonymous.has(*permission)
        };
        let more: Vec<&str> =
            Permission::ALL.into_iter().filter(is_new).map(Permission::name).collect();
        if !more.is_empty() {
            let more = more.join(", ");
            widened.push(format!(
                "{label}this reload gives anonymous clients more permissions: {more}"
            ));
        }
        if cache.expose.is_everything() && !before.expose.is_everything() {
            widened.push(format!("{label}this reload shows everything that is in the store"));
        }
    }
    widened
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        args::ServeArgs,
        config::{self, Environment, PassedSockets},
    };

    fn load(text: &str) -> Loaded {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c.toml");
        fs::write(&file, text).unwrap();
        let args = ServeArgs { config: Some(file), ..ServeArgs::default() };
        config::load(&args, &Environment::default(), PassedSockets::OfThisProcess).unwrap()
    }

    #[test]
    fn a_file_that_is_gone_or_empty_is_no_wish_for_the_defaults() {
        let closed = load("[access]\nanonymous = []\n");
        let gone = Loaded { file: None, ..load("") };
        let file = closed.file.clone().unwrap();
        assert_eq!(check_file(&closed, &gone), Err(ReloadRefused::FileGone(file.clone())));
        let empty = load("# access.anonymous = []\n");
        assert_eq!(check_file(&closed, &empty), Err(ReloadRefused::FileEmpty(file)));
        assert_eq!(check_file(&closed, &load("[cache_info]\npriority = 1\n")), Ok(()));
        // A server that began without a file, or with an empty one, has lost nothing.
        assert_eq!(check_file(&gone, &gone), Ok(()));
        assert_eq!(check_file(&empty, &empty), Ok(()));
        assert_eq!(check_file(&gone, &closed), Ok(()));
    }

    #[test]
    fn what_clients_get_in_addition_is_told() {
        let caches = |text: &str| load(text).server.caches;
        let named = "[cache.a]\npath = \"/a\"\n[cache.a.access]\nanonymous = [\"read\"]\n[cache.a.expose]\n";
        let open = caches(&format!(
            "expose.everything = true\n[access]\nanonymous = [\"read\", \"metrics\"]\n{named}everything = true\n"
        ));
        let closed = caches(&format!(
            "expose.everything = true\n[access]\nanonymous = []\n{named}roots = []\n"
        ));
        assert_eq!(
            widened(&closed, &open),
            [
                "this reload gives anonymous clients more permissions: read, metrics",
                "cache a: this reload shows everything that is in the store",
            ]
        );
        assert_eq!(widened(&open, &closed), Vec::<String>::new());
        assert_eq!(widened(&open, &open), Vec::<String>::new());
    }
}
