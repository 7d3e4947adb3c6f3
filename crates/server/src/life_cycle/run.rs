//! The life of a server: listen, answer, reload, end.

use std::{pin::pin, sync::Arc};

use crate::{
    caches::{reload::Reloader, watched_files::WatchedFiles},
    config::{Hooks, OpenBackends, ServerConfig},
    connection::{
        listen::{self, Bound, Purpose, WantedListener},
        tls::Certificate,
    },
    jobs::{idle_work, memory_trim},
    life_cycle::{
        core_dumps,
        error::RunError,
        heartbeat::Heartbeats,
        shutdown,
        signals::{SignalRequest, Signals},
        state::ServerState,
        status::Status,
        systemd, workers,
    },
};

/// Serves until SIGTERM or SIGINT.
///
/// To be called before threads are started, since it takes the passed sockets out of the environment.
///
/// # Errors
///
/// When the server cannot start. An unreadable store or signing key is no reason not to: the server
/// is up and answers 503 until they are there.
pub fn run(config: ServerConfig, backends: OpenBackends, hooks: Hooks) -> Result<(), RunError> {
    core_dumps::keep();
    let wanted = WantedListener {
        clients: &config.listeners,
        nginx: config.nginx.as_ref().map_or(&[][..], |nginx| &nginx.listeners),
        watchers: &config.metrics_listeners,
    };
    let bound = listen::open(wanted, config.limits.stall_timeout)?;
    let seen = WatchedFiles::new(&config.caches, config.tls.as_ref());
    let certificate = certificate(&config, &bound)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config, backends, hooks, bound, certificate, seen));
    // A lookup that still waits for the database must not hold up the end.
    runtime.shutdown_background();
    result
}

fn certificate(config: &ServerConfig, bound: &[Bound]) -> Result<Option<Certificate>, RunError> {
    match (&config.tls, bound.iter().find(|bound| bound.tls)) {
        (Some(files), Some(_)) => Ok(Some(Certificate::load(files)?)),
        (None, Some(listener)) => Err(RunError::NoCertificate { url: listener.url.clone() }),
        (_, None) => Ok(None),
    }
}

async fn serve(
    config: ServerConfig,
    backends: OpenBackends,
    hooks: Hooks,
    bound: Vec<Bound>,
    certificate: Option<Certificate>,
    seen: WatchedFiles,
) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    let (watched, bound_to): (Vec<&Bound>, Vec<&Bound>) =
        bound.iter().partition(|bound| bound.purpose == Purpose::Metrics);
    let urls = |bound: &[&Bound]| bound.iter().map(|one| one.url.clone()).collect::<Vec<_>>();
    let (watched, urls) = (urls(&watched), urls(&bound_to));
    let state = Arc::new(ServerState::new(config, backends()));
    let heartbeats = Heartbeats::new();
    let (mut server, files) = workers::start(bound, certificate.as_ref(), &state, &heartbeats)?;

    tokio::select! {
        ended = &mut server => return Err(ended.map_or_else(RunError::Start, |()| RunError::Ended)),
        () = signals.stop() => return Ok(()),
        () = heartbeats.started(workers::number(&state.config)) => {}
    }
    for url in &watched {
        tracing::info!("metrics are on {url}");
    }
    announce(&urls, &state, &hooks);

    let mut reloader = Reloader::new(Arc::clone(&state), hooks, certificate, seen);
    let mut status = Status::new(Arc::clone(&state), &urls).await;
    systemd::ready(&status.text());
    let mut idle_work = pin!(async {
        if let Some(work) = idle_work::work(&state) {
            work.await;
        }
        // There is nothing, or no more.
        std::future::pending::<()>().await;
    });
    let mut trimming = pin!(memory_trim::work(&state));
    let mut watchdog = pin!(systemd::watchdog(&heartbeats));
    loop {
        tokio::select! {
            ended = &mut server => {
                return Err(ended.map_or_else(RunError::Start, |()| RunError::Ended));
            }
            request = signals.next() => match request {
                SignalRequest::Reload => reloader.reload(&status.text()),
                SignalRequest::Stop => break,
            },
            () = reloader.wait() => reloader.look(&status.text()),
            () = status.follow() => {}
            () = &mut idle_work => {}
            never = &mut trimming => match never {},
            never = &mut watchdog => match never {},
        }
    }
    // Nothing is accepted any more: a successor may take the place of a unix socket.
    drop(files);
    shutdown::finish(server, &state, &mut signals).await;
    Ok(())
}

fn announce(urls: &[String], state: &ServerState, hooks: &Hooks) {
    for url in urls {
        tracing::info!("listening on {url}");
    }
    if let Some(started) = &hooks.started {
        started(urls, &state.public_keys());
    }
}
