//! The threads that answer requests.

use std::{num::NonZeroUsize, sync::Arc, thread};

use actix_server::Server;

use crate::{
    config::ServerConfig,
    connection::{
        http::HttpServices,
        listen::{Bound, ListeningSocket, SocketFile},
        open::{MAX_METRICS_CONNECTIONS, Roster},
        tls::Certificate,
    },
    life_cycle::{error::RunError, heartbeat::Heartbeats, nofile_limit, state::ServerState},
};

/// Most workers that the server library can have.
const MAX_WORKERS: usize = 512;

/// Threads of one worker that may block. They are made when they are needed, and end when they are not. Each upload takes up to
/// three.
const MAX_BLOCKING_THREADS: usize = 512;

/// Connections beside those that clients may have: of monitoring, and of clients that will be sent away.
const NOT_YET_LET_IN: usize = MAX_METRICS_CONNECTIONS + 1024;

/// How many workers there are.
pub(crate) fn number(config: &ServerConfig) -> usize {
    let number = match config.workers {
        0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        some => some,
    };
    number.min(MAX_WORKERS)
}

/// Prepares the workers; they start when the server is polled. Every listener has the one service
/// that answers everything.
pub(crate) fn start(
    bound: Vec<Bound>,
    certificate: Option<&Certificate>,
    state: &Arc<ServerState>,
    heartbeats: &Heartbeats,
) -> Result<(Server, Vec<SocketFile>), RunError> {
    let limits = &state.config.limits;
    let workers = number(&state.config);
    let connections = nofile_limit::make_room(limits.connections, limits.downloads);
    let roster = Roster::new(connections);
    let (watching, watched) = (roster.clone(), Arc::clone(state));
    tokio::spawn(async move {
        watching.watch(&watched.config.limits, watched.send_budget.pressure()).await
    });
    let mut server = Server::build()
        .workers(workers)
        // By default they are divided by the number of processors: uploads that wait for each other would take them all.
        .worker_max_blocking_threads(MAX_BLOCKING_THREADS)
        // The roster keeps the limit: the library would accept no connection at all, not even of monitoring.
        .max_concurrent_connections(connections.saturating_add(NOT_YET_LET_IN))
        .shutdown_timeout(state.config.shutdown_grace.as_secs().saturating_add(1))
        .disable_signals();
    let http = HttpServices::new(
        state,
        heartbeats,
        &roster,
        certificate,
        server.graceful_shutdown_signal(),
    );
    let mut files = Vec::new();
    for (number, listener) in bound.into_iter().enumerate() {
        let (http, name, purpose) = (http.clone(), number.to_string(), listener.purpose);
        server = match (listener.socket, certificate) {
            (ListeningSocket::Unix(socket), _) => {
                server.listen_uds(name, socket, move || http.unix(purpose))?
            }
            (ListeningSocket::Tcp(socket), Some(certificate)) if listener.tls => {
                let tls = certificate.server_config()?;
                server.listen(name, socket, move || http.tls(tls.clone(), purpose))?
            }
            (ListeningSocket::Tcp(socket), _) => {
                server.listen(name, socket, move || http.tcp(purpose))?
            }
        };
        files.extend(listener.file);
    }
    Ok((server.run(), files))
}
