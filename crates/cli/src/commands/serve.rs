//! `serve`: the configuration, the log, and then the server.

use std::sync::Arc;

use anyhow::Context as _;
use rns_cache::CacheFactory;
use rns_nix_store::AbsentStore;
use rns_server::config::Hooks;

use crate::{
    args::ServeArgs,
    backends::{self, Backends},
    collector,
    commands::{reload::Reload, startup_banner},
    config::{self, Environment, Loaded, PassedSockets, files},
    logging,
    output::{CommandAnswer, tell},
    storage_index,
};

/// Serves until it is told to stop.
pub(super) fn run(args: ServeArgs, environment: Environment) -> anyhow::Result<CommandAnswer> {
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
    let started = startup_banner::hook(&loaded, &store);
    let reload = Arc::new(Reload::new(args, environment, loaded, level));
    let storage = backends::open_for_uploads(&which, &store.store_dir)?;
    let spool = backends::open_spool(&which)?;
    // Where there is a storage, it is collected.
    let collector = match (&which.storage, &storage) {
        (Some(config), Some(storage)) => {
            let index = storage_index::open_index(config, storage.reader().objects())?;
            Some(collector::start(storage, index, config)?)
        }
        _ => None,
    };
    let reloading = Arc::clone(&reload);
    let hooks = Hooks { started: Some(started), reload: Some(Arc::new(move || reloading.read())) };
    let backends = Box::new(move || {
        let opened = Arc::new(Backends::open(&which, store, (storage, collector), spool));
        reload.opened(Arc::clone(&opened));
        opened as Arc<dyn CacheFactory>
    });
    rns_server::run(server, backends, hooks).context("cannot serve")?;
    Ok(CommandAnswer::Yes)
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
