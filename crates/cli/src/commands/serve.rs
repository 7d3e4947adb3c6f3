//! `serve`: the configuration, the log, and then the server.

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use anyhow::Context as _;
use rns_server::config::{Hooks, Reloadable};
use rns_store::AbsentStore;

use crate::{
    args::ServeArgs,
    commands::announce,
    config::{self, ConfigError, Environment, Loaded, files, takes_effect_on_reload},
    logging::{self, LogLevel},
    output::{Answer, tell},
};

/// Serves until it is told to stop.
pub(super) fn run(args: ServeArgs, environment: Environment) -> anyhow::Result<Answer> {
    let loaded = config::load(&args, &environment)?;
    let level = logging::start(&loaded.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut server = loaded.server.clone();
    if !loaded.is_deliberate() && is_on_terminal(&environment) {
        server.store.absent = AbsentStore::Empty;
        if !server.store.database.exists() {
            tell(&announce::no_store(&server.store));
        }
    }
    let hooks = Hooks {
        started: Some(announce::hook(&loaded)),
        reload: Some(Arc::new(move || reload(&args, &environment, &loaded, &level))),
    };
    rns_server::run(server, hooks).context("cannot serve")?;
    Ok(Answer::Yes)
}

/// Whether somebody sits in front of this process and started it by hand.
///
/// A shell on a desktop inherits `INVOCATION_ID` from the unit of its terminal; `SYSTEMD_EXEC_PID` tells
/// whose it is.
fn is_on_terminal(environment: &Environment) -> bool {
    let own_pid = std::process::id().to_string();
    let inherited = environment.get("SYSTEMD_EXEC_PID").is_some_and(|pid| pid != own_pid);
    let unit = environment.get("NOTIFY_SOCKET").is_some()
        || environment.get("INVOCATION_ID").is_some() && !inherited;
    !unit && io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Reads the configuration again. What can be exchanged goes to the server, and of the rest it is said that it
/// waits; with any problem everything stays.
fn reload(
    args: &ServeArgs,
    environment: &Environment,
    started: &Loaded,
    level: &LogLevel,
) -> Result<Reloadable, String> {
    let loaded = config::load(args, environment).map_err(|error| error.to_string())?;
    let problems = files::check_credentials(&loaded);
    if !problems.is_empty() {
        return Err(ConfigError(problems).to_string());
    }
    level.set(&loaded.log.level)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let waiting: Vec<&str> = started
        .settings
        .changed(&loaded.settings)
        .filter(|key| !takes_effect_on_reload(key))
        .collect();
    if !waiting.is_empty() {
        tracing::warn!("changed, but only a restart makes it take effect: {}", waiting.join(", "));
    }
    Ok(Reloadable { signing: loaded.server.signing, tls: loaded.server.tls })
}
