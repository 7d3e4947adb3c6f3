//! A reload must not open a cache, or let its paths go, by accident: a file that is gone, or was emptied, is not a wish for
//! the defaults, and a change that lets clients have more is logged.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rns_server::{
    auth::Permission,
    config::{CachesConfig, UploadConfig},
};

use crate::config::Loaded;

/// How long a file must look the same before it counts as written.
const WRITTEN: Duration = Duration::from_millis(700);

/// Why a reload is refused: the configuration file is not a wish for the defaults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReloadRefused {
    #[error("{path} is not there any more; to go on without it, restart", path = .0.display())]
    FileGone(PathBuf),
    #[error("{path} has become empty; to go on with the defaults, restart", path = .0.display())]
    FileEmpty(PathBuf),
    #[error(
        "{gain}, and `{key}` is not written; if this is intended, write the key, or restart (is the file whole?)"
    )]
    NotWritten { gain: String, key: String },
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
///
/// # Errors
/// When the configuration does not contain the key that grants them: a file that is cut off must not open a cache.
pub(super) fn widened(last: &CachesConfig, new: &Loaded) -> Result<Vec<String>, ReloadRefused> {
    let mut widened = Vec::new();
    for (name, cache) in new.server.caches.all() {
        let Some((_, before)) = last.all().find(|(other, _)| *other == name) else { continue };
        let label = name.map(|name| format!("cache {name}: ")).unwrap_or_default();
        let is_new = |permission: &Permission| {
            cache.access.anonymous.has(*permission) && !before.access.anonymous.has(*permission)
        };
        let more: Vec<&str> =
            Permission::ALL.into_iter().filter(is_new).map(Permission::name).collect();
        if !more.is_empty() {
            let gain = format!("gives anonymous clients more permissions: {}", more.join(", "));
            check_written(new, name, "access.anonymous", &format!("{label}it {gain}"))?;
            widened.push(format!("{label}this reload {gain}"));
        }
        if cache.expose.is_everything() && !before.expose.is_everything() {
            let gain = "shows everything that is in the store";
            check_written(new, name, "expose.everything", &format!("{label}it {gain}"))?;
            widened.push(format!("{label}this reload {gain}"));
        }
        let required = |upload: &UploadConfig| !upload.require_signature_by.is_empty();
        if required(&before.upload) && !required(&cache.upload) {
            let gain = "takes uploads without a signature";
            check_written(new, name, "upload.require_signature_by", &format!("{label}it {gain}"))?;
            widened.push(format!("{label}this reload {gain}"));
        }
    }
    Ok(widened)
}

/// Returns true when each time for which the storage keeps paths that becomes shorter is written.
///
/// # Errors
/// When it is not: a file that is cut off must not let paths go.
pub(super) fn check_retention(last: &Loaded, new: &Loaded) -> Result<(), ReloadRefused> {
    let policy = |loaded: &Loaded| loaded.backends.storage.clone().map(|storage| storage.retention);
    let (Some(last), Some(policy)) = (policy(last), policy(new)) else { return Ok(()) };
    if policy.keeps_everything() {
        return Ok(());
    }
    let is_shorter = [
        ("retention.min_age", "new paths", policy.min_age < last.min_age),
        (
            "retention.unused_for",
            "used ones",
            last.unused_for.is_some() && policy.unused_for.is_none(),
        ),
    ];
    for (key, what, _) in is_shorter.into_iter().filter(|(.., is_shorter)| *is_shorter) {
        check_written(new, None, key, &format!("it lets {what} go from the storage earlier"))?;
    }
    Ok(())
}

/// Whether a key is written, for this cache or for all.
fn check_written(
    new: &Loaded,
    cache: Option<&str>,
    key: &str,
    gain: &str,
) -> Result<(), ReloadRefused> {
    let own = cache.map_or_else(|| key.to_owned(), |name| format!("cache.{name}.{key}"));
    if new.settings.is_set(&own) || new.settings.is_set(key) {
        return Ok(());
    }
    Err(ReloadRefused::NotWritten { gain: gain.to_owned(), key: own })
}

/// A file that may be being written when it is to be read.
pub(super) struct Settling {
    file: PathBuf,
    /// How it looked, and since when.
    seen: Mutex<Option<(ConfigFileStamp, Instant)>>,
}

/// Size, inode and the time of the last change.
type ConfigFileStamp = (u64, u64, SystemTime);

impl Settling {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), seen: Mutex::default() }
    }

    /// Whether the file has looked the same for a while. One that is not there does not change.
    pub(super) fn is_settled(&self) -> bool {
        let look = fs::metadata(&self.file)
            .and_then(|metadata| Ok((metadata.len(), metadata.ino(), metadata.modified()?)));
        let Ok(look) = look else { return true };
        if look.2.elapsed().is_ok_and(|age| age >= WRITTEN) {
            return true;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((before, since)) if *before == look => since.elapsed() >= WRITTEN,
            _ => {
                *seen = Some((look, Instant::now()));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        let named = "[cache.a]\npath = \"/a\"\n[cache.a.access]\nanonymous = [\"read\"]\n[cache.a.expose]\n";
        let open = load(&format!(
            "expose.everything = true\n[access]\nanonymous = [\"read\", \"metrics\"]\n{named}everything = true\n"
        ));
        let closed = load(&format!(
            "expose.everything = true\n[access]\nanonymous = []\n{named}roots = []\n"
        ));
        assert_eq!(
            widened(&closed.server.caches, &open).unwrap(),
            [
                "this reload gives anonymous clients more permissions: read, metrics",
                "cache a: this reload shows everything that is in the store",
            ]
        );
        assert_eq!(widened(&open.server.caches, &closed).unwrap(), Vec::<String>::new());
        assert_eq!(widened(&open.server.caches, &open).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_opens_a_cache_must_be_written() {
        let closed = load("cache_info.priority = 1\n[access]\nanonymous = []\n");
        let cut_off = load("cache_info.priority = 1\n");
        let error = widened(&closed.server.caches, &cut_off).unwrap_err();
        assert!(
            matches!(&error, ReloadRefused::NotWritten { key, .. } if key == "access.anonymous"),
            "{error}"
        );
        let some = load("cache_info.priority = 1\n[expose]\nroots = []\n");
        let error = widened(&some.server.caches, &cut_off).unwrap_err();
        assert!(
            matches!(&error, ReloadRefused::NotWritten { key, .. } if key == "expose.everything"),
            "{error}"
        );
    }

    #[test]
    fn what_lets_paths_go_must_be_written() {
        let storage = |retention: &str| {
            load(&format!(
                "[storage]\nurl = \"s3://x\"\n[retention]\nkeep_roots = true\n{retention}"
            ))
        };
        let long = storage("min_age = \"7d\"\nunused_for = \"30d\"\n");
        for (cut_off, missing) in [
            ("", "retention.min_age"),
            ("min_age = \"7d\"\n", "retention.unused_for"),
            ("unused_for = \"30d\"\n", "retention.min_age"),
        ] {
            let error = check_retention(&long, &storage(cut_off)).unwrap_err();
            assert!(
                matches!(&error, ReloadRefused::NotWritten { key, .. } if key == missing),
                "{cut_off}: {error}"
            );
        }
        let shorter = storage("min_age = \"1d\"\nunused_for = \"1d\"\n");
        assert_eq!(check_retention(&long, &shorter), Ok(()), "it is written");
        assert_eq!(check_retention(&shorter, &long), Ok(()));
        let everything = load("[storage]\nurl = \"s3://x\"\n");
        assert_eq!(check_retention(&long, &everything), Ok(()), "everything stays");
    }

    #[test]
    fn uploads_without_a_signature_must_be_written() {
        let key = "ci-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";
        let signed = load(&format!("[upload]\nrequire_signature_by = [{key:?}]\n"));
        let cut_off = load("[upload]\nsign = true\n");
        let error = widened(&signed.server.caches, &cut_off).unwrap_err();
        assert!(
            matches!(&error, ReloadRefused::NotWritten { key, .. } if key == "upload.require_signature_by"),
            "{error}"
        );
        let unsigned = load("[upload]\nrequire_signature_by = []\n");
        let told = widened(&signed.server.caches, &unsigned).unwrap();
        assert_eq!(told, ["this reload takes uploads without a signature"]);
    }

    #[test]
    fn a_file_that_changes_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c.toml");
        let settling = Settling::new(&file);
        assert!(settling.is_settled(), "it is not there");
        fs::write(&file, "a").unwrap();
        assert!(!settling.is_settled());
        std::thread::sleep(WRITTEN);
        assert!(settling.is_settled());
        fs::write(&file, "ab").unwrap();
        assert!(!settling.is_settled());
    }
}
