//! `serve`: the configuration, the log, and then the server.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rns_cache::CacheFactory;
use rns_nix_store::AbsentStore;
use rns_server::config::{Hooks, ReloadError, Reloadable};
use rns_storage::write::Storage;

use crate::{
    args::ServeArgs,
    backends::{self, Backends},
    collector::{self, SharedStats},
    commands::{
        reload_guard::{self, Settling},
        startup_banner,
    },
    config::{
        self, ConfigError, Environment, Loaded, PassedSockets, StorageConfig, files,
        takes_effect_on_reload,
    },
    logging::{self, LogLevel},
    output::{Answer, tell},
};

/// Serves until it is told to stop.
pub(super) fn run(args: ServeArgs, environment: Environment) -> anyhow::Result<Answer> {
    let loaded = config::load(&args, &environment, PassedSockets::OfThisProcess)?;
    let (level, _flush) = logging::start(&loaded.log)?;
    for warning in loaded.warnings.iter().chain(&files::certificate_warning(&loaded)) {
        tracing::warn!("{warning}");
    }
    let (server, mut store) = (loaded.server.clone(), loaded.store.clone());
    store.absent = absent_store(&loaded, &environment);
    let has_nothing_else = loaded.backends.storage.is_none();
    if has_nothing_else && store.absent == AbsentStore::Empty && !store.database.exists() {
        tell(&startup_banner::no_store(&store));
    }
    let which = loaded.backends.clone();
    let last = Mutex::new(loaded.clone());
    let settling = loaded.file.as_deref().map(Settling::new);
    let hooks = Hooks {
        started: Some(startup_banner::hook(&loaded, &store)),
        reload: Some(Arc::new(move || {
            if settling.as_ref().is_some_and(|file| !file.is_settled()) {
                return Err(ReloadError::StillWritten);
            }
            let reloaded = reload(&args, &environment, &loaded, &last, &level);
            reloaded.map_err(|error| ReloadError::Refused(error.into()))
        })),
    };
    let storage = backends::open_for_uploads(&which, &store.store_dir)?;
    let spool = backends::open_spool(&which)?;
    let collector = start_collector(which.storage.as_ref(), storage.as_ref())?;
    let backends = Box::new(move || {
        Arc::new(Backends::open(&which, store, (storage, collector), spool))
            as Arc<dyn CacheFactory>
    });
    rns_server::run(server, backends, hooks).context("cannot serve")?;
    Ok(Answer::Yes)
}

/// Starts the collector, where there is a storage.
fn start_collector(
    config: Option<&StorageConfig>,
    storage: Option<&Storage>,
) -> anyhow::Result<Option<Arc<SharedStats>>> {
    let (Some(config), Some(storage)) = (config, storage) else { return Ok(None) };
    let stats = Arc::new(SharedStats::default());
    collector::start(storage, config, Arc::clone(&stats))?;
    Ok(Some(stats))
}

/// A missing store is an outage where the server is configured or is a unit, but an empty cache where a user tries the
/// program at a terminal.
fn absent_store(loaded: &Loaded, environment: &Environment) -> AbsentStore {
    if environment.is_of_a_user_at_a_terminal() && !loaded.is_deliberate() {
        AbsentStore::Empty
    } else {
        AbsentStore::Unavailable
    }
}

/// Reads the configuration again, and returns the values that the server can exchange. Other changed keys are logged: they
/// wait for a restart. With any problem, nothing changes.
fn reload(
    args: &ServeArgs,
    environment: &Environment,
    started: &Loaded,
    last: &Mutex<Loaded>,
    level: &LogLevel,
) -> anyhow::Result<Reloadable> {
    let loaded = config::load(args, environment, PassedSockets::OfThisProcess)?;
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    reload_guard::check_file(&last, &loaded)?;
    let problems = files::check_credentials(&loaded);
    if !problems.is_empty() {
        return Err(ConfigError(problems).into());
    }
    let widened = reload_guard::widened(&last.server.caches, &loaded)?;
    level.set(&loaded.log.level)?;
    let certificate = files::certificate_warning(&loaded);
    for warning in loaded.warnings.iter().chain(&widened).chain(&certificate) {
        tracing::warn!("{warning}");
    }
    let mut waiting = started.settings.changed(&loaded.settings);
    waiting.retain(|key| !takes_effect_on_reload(key));
    if !waiting.is_empty() {
        tracing::warn!("changed, but only a restart makes it take effect: {}", waiting.join(", "));
    }
    *last = loaded;
    Ok(Reloadable { caches: last.server.caches.clone(), tls: last.server.tls.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(variables: &[(&str, &str)], store: Option<&str>, terminal: bool) -> AbsentStore {
        let environment: Environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let environment = if terminal { environment.at_a_terminal() } else { environment };
        let args = ServeArgs { store: store.map(str::to_owned), ..ServeArgs::default() };
        let loaded = config::load(&args, &environment, PassedSockets::OfThisProcess).unwrap();
        absent_store(&loaded, &environment)
    }

    #[test]
    fn an_empty_cache_is_only_for_a_user_at_a_terminal() {
        assert_eq!(absent(&[], None, true), AbsentStore::Empty);
        assert_eq!(absent(&[], None, false), AbsentStore::Unavailable);
        assert_eq!(absent(&[], Some("/mnt"), true), AbsentStore::Unavailable);
        assert_eq!(absent(&[("NIX_SECRET_KEY_FILE", "/k")], None, true), AbsentStore::Unavailable);
        assert_eq!(absent(&[("NOTIFY_SOCKET", "/run/x")], None, true), AbsentStore::Unavailable);
        assert_eq!(absent(&[("INVOCATION_ID", "1")], None, true), AbsentStore::Unavailable);
    }

    #[test]
    fn a_terminal_that_is_a_unit_itself_does_not_make_its_shell_one() {
        let inherited = [("INVOCATION_ID", "1"), ("SYSTEMD_EXEC_PID", "1")];
        assert_eq!(absent(&inherited, None, true), AbsentStore::Empty);
        let own = std::process::id().to_string();
        let unit = [("INVOCATION_ID", "1"), ("SYSTEMD_EXEC_PID", own.as_str())];
        assert_eq!(absent(&unit, None, true), AbsentStore::Unavailable);
    }
}
