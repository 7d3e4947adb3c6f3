//! The threads that answer requests, and what connections may cost.

use std::{any::Any, cell::Cell, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::{Extensions, Server},
    rt::net::{TcpStream, UnixStream},
    web::Data,
};

use crate::{
    access::Peer,
    config::{Limits, ServerConfig},
    descriptors, dispatch,
    heartbeat::Heartbeats,
    limits::PerAddress,
    listen::{Bound, ListeningSocket, Place, Purpose, SocketFile},
    metrics::{Metrics, Transport},
    nginx,
    run::RunError,
    state::State,
    tls::{Certificate, ClientCa},
    watchers,
};

/// Most workers that the server library can have.
const MAX_WORKERS: usize = 512;

/// Clients pause for minutes while they unpack what they have; nothing cuts them off before this.
const PATIENCE: Duration = Duration::from_secs(300);

/// Time for the end of an answer to leave, and for a client to finish a request that was refused.
const FAREWELL: Duration = Duration::from_secs(30);

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
    state: &Arc<State>,
    hearts: &Heartbeats,
) -> Result<(Server, Vec<SocketFile>), RunError> {
    let limits = &state.config.limits;
    let workers = number(&state.config);
    let waits = Waits::new(limits, certificate.is_some());
    let connections = descriptors::make_room(limits.connections, limits.downloads);
    let app = {
        let (state, hearts) = (Arc::clone(state), hearts.clone());
        move || {
            attach_once(&hearts);
            App::new().app_data(Data::from(Arc::clone(&state))).configure(dispatch::configure)
        }
    };
    let mut server = HttpServer::new(app)
        .workers(workers)
        .max_connections(connections.div_ceil(workers))
        .keep_alive(waits.idle)
        .client_request_timeout(limits.header_timeout)
        .client_disconnect_timeout(waits.farewell)
        .tls_handshake_timeout(limits.header_timeout)
        .shutdown_timeout(state.config.shutdown_grace.as_secs().saturating_add(1))
        .disable_signals()
        .on_connect(mark_connections(
            state.metrics.clone(),
            places(&bound),
            limits
                .connections_per_address
                .map(|most| PerAddress::new(most, state.config.door.clone())),
            certificate.map(|certificate| certificate.client_ca().clone()),
        ));
    let mut files = Vec::new();
    for listener in bound {
        server = match (listener.socket, certificate) {
            (ListeningSocket::Unix(socket), _) => server.listen_uds(socket)?,
            (ListeningSocket::Tcp(socket), Some(certificate)) if listener.tls => {
                server.listen_rustls_0_23(socket, certificate.server_config()?)?
            }
            (ListeningSocket::Tcp(socket), _) => server.listen(socket)?,
        };
        files.extend(listener.file);
    }
    Ok((server.run(), files))
}

/// The library makes an application for each worker and listener; a worker has one heart.
fn attach_once(hearts: &Heartbeats) {
    thread_local! {
        static ATTACHED: Cell<bool> = const { Cell::new(false) };
    }
    if !ATTACHED.replace(true) {
        hearts.attach();
    }
}

/// The listeners that are not for everybody.
fn places(bound: &[Bound]) -> Vec<(Place, Purpose)> {
    let particular = bound.iter().filter(|bound| bound.purpose != Purpose::Clients);
    particular.filter_map(|bound| Some((Place::of(bound)?, bound.purpose))).collect()
}

/// The connection counts as open until its extensions are dropped with it.
fn mark_connections(
    metrics: Metrics,
    places: Vec<(Place, Purpose)>,
    per_address: Option<PerAddress>,
    client_ca: Option<ClientCa>,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync {
    move |stream, extensions| {
        let purpose =
            places.iter().find(|(place, _)| place.is_of(stream)).map(|(_, purpose)| purpose);
        match purpose {
            Some(Purpose::Nginx) => {
                extensions.insert(nginx::Behind);
            }
            Some(Purpose::Watchers) => {
                extensions.insert(watchers::Watching);
            }
            Some(Purpose::Clients) | None => {}
        }
        let limit = per_address.as_ref().filter(|_| purpose != Some(&Purpose::Nginx));
        if let Some(open) = limit.and_then(|limit| limit.count(stream)) {
            extensions.insert(open);
        }
        if let Some(client_ca) = &client_ca {
            Peer::note(client_ca, stream, extensions);
        }

        let transport = if stream.is::<TcpStream>() {
            Transport::Tcp
        } else if stream.is::<UnixStream>() {
            Transport::Unix
        } else {
            Transport::Tls
        };
        extensions.insert(metrics.connection(transport));
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Waits {
    /// How long a connection without a request stays open.
    idle: Duration,
    /// How long a connection that is to be closed has for what is still to be sent.
    farewell: Duration,
}

impl Waits {
    /// Two of the library's timers would cut off a client that pauses:
    ///
    /// - Over HTTP/1 a connection counts as idle when the last bytes of an answer are in the library's
    ///   buffer, even though the client has not taken them. It is then closed after `idle` and
    ///   `farewell` together.
    /// - Over HTTP/2 a client that reads nothing cannot answer the pings, which are sent every `idle`
    ///   and must be answered within the same time.
    fn new(limits: &Limits, tls: bool) -> Self {
        let idle = if tls { limits.idle_timeout.max(PATIENCE) } else { limits.idle_timeout };
        Self { idle, farewell: PATIENCE.saturating_sub(idle).max(FAREWELL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_cuts_off_a_client_that_pauses_for_five_minutes() {
        for idle in [1, 60, 120, 300, 900] {
            let limits = Limits { idle_timeout: Duration::from_secs(idle), ..Limits::default() };
            let plain = Waits::new(&limits, false);
            assert!(plain.idle + plain.farewell >= PATIENCE, "{plain:?}");
            assert_eq!(plain.idle, limits.idle_timeout);
            assert!(Waits::new(&limits, true).idle >= PATIENCE);
        }
    }
}
