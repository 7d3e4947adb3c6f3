//! How HTTP is spoken on the connections of a listener, and what they may cost.

use std::{cell::Cell, future::ready, io, sync::Arc, time::Duration};

use actix_http::{Extensions, HttpService, Protocol, error::DispatchError};
use actix_server::GracefulShutdownSignal;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::rt::net::{TcpStream, UnixStream};

use crate::{
    auth::ConnectionCertificate,
    config::Limits,
    connection::{
        limits::PerAddress,
        listen::Purpose,
        tls::{Certificate, ClientCa},
        via_nginx,
    },
    fast_path::{DirectConnection, Socket, responder::FastPathResponder},
    life_cycle::{heartbeat::Heartbeats, state::State},
    metrics::{Transport, listener},
    router::service::{self, Front, Tied},
};

/// Clients pause for minutes while they unpack what they have; nothing cuts them off before this.
const PATIENCE: Duration = Duration::from_secs(300);

/// Time for the end of an answer to leave, and for a client to finish a request that was refused.
const FAREWELL: Duration = Duration::from_secs(30);

/// The name of HTTP/2 in TLS.
const HTTP_2: &[u8] = b"h2";

/// What takes the connections of a listener, as `$stream` until they end with `$error`.
macro_rules! Accept {
    ($stream:ty, $error:ty) => {
        impl ServiceFactory<$stream, Config = (), Response = (), Error = $error, InitError = ()>
            + use<>
    };
}

/// Marks a connection with TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsTls;

/// What the services of all listeners are made from. Clones share it.
#[derive(Clone)]
pub(crate) struct Http {
    waits: Waits,
    header_timeout: Duration,
    stopping: GracefulShutdownSignal,
    state: Arc<State>,
    heartbeats: Heartbeats,
    per_address: Option<PerAddress>,
    client_ca: Option<ClientCa>,
}

impl Http {
    pub(crate) fn new(
        state: &Arc<State>,
        heartbeats: &Heartbeats,
        certificate: Option<&Certificate>,
        stopping: GracefulShutdownSignal,
    ) -> Self {
        let (limits, failure_policy) = (&state.config.limits, &state.config.failure_policy);
        let most = limits.connections_per_address;
        Self {
            waits: Waits::new(limits, certificate.is_some()),
            header_timeout: limits.header_timeout,
            stopping,
            state: Arc::clone(state),
            heartbeats: heartbeats.clone(),
            per_address: most.map(|most| PerAddress::new(most, failure_policy.clone())),
            client_ca: certificate.map(|certificate| certificate.client_ca().clone()),
        }
    }

    /// Without TLS.
    pub(crate) fn tcp(&self, purpose: Purpose) -> Accept!(TcpStream, DispatchError) {
        let responder = FastPathResponder::of(&self.state, purpose, true);
        fn_service(move |socket: TcpStream| {
            let peer = socket.peer();
            ready(Ok((DirectConnection::new(socket, responder.clone()), Protocol::Http1, peer)))
        })
        .and_then(self.plain(purpose, Transport::Tcp))
    }

    /// On a unix socket.
    pub(crate) fn unix(&self, purpose: Purpose) -> Accept!(UnixStream, DispatchError) {
        let responder = FastPathResponder::of(&self.state, purpose, true);
        fn_service(move |socket: UnixStream| {
            ready(Ok((DirectConnection::new(socket, responder.clone()), Protocol::Http1, None)))
        })
        .and_then(self.plain(purpose, Transport::Unix))
    }

    /// With TLS, and with HTTP/2 for clients that want it.
    pub(crate) fn tls(
        &self,
        mut config: rustls::ServerConfig,
        purpose: Purpose,
    ) -> Accept!(TcpStream, TlsError<io::Error, DispatchError>) {
        config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
        let mut acceptor = Acceptor::new(config);
        acceptor.set_handshake_timeout(self.header_timeout);
        let responder = FastPathResponder::of(&self.state, purpose, false);
        let this = self.clone();
        let service =
            self.service(move |connection: &DirectConnection<TlsStream<TcpStream>>, extensions| {
                let stream = connection.socket();
                this.note(purpose, Transport::Tls, stream, extensions);
                extensions.insert(IsTls);
                extensions.insert(connection.turn().clone());
                if let Some(client_ca) = &this.client_ca {
                    ConnectionCertificate::note(client_ca, stream, extensions);
                }
            });
        acceptor
            .map_err(TlsError::into_service_error)
            .and_then(move |stream: TlsStream<TcpStream>| {
                let (peer, tls) = (stream.peer(), stream.get_ref().1);
                ready(Ok(if tls.alpn_protocol() == Some(HTTP_2) {
                    (DirectConnection::open(stream), Protocol::Http2, peer)
                } else {
                    // What a certificate is worth, the framework's side finds out.
                    let responder = responder.clone().filter(|_| tls.peer_certificates().is_none());
                    (DirectConnection::new(stream, responder), Protocol::Http1, peer)
                }))
            })
            .and_then(service.map_err(TlsError::Service))
    }

    fn plain<S: Socket>(
        &self,
        purpose: Purpose,
        transport: Transport,
    ) -> HttpService<DirectConnection<S>, impl Front + use<S>, Tied> {
        let this = self.clone();
        self.service(move |connection: &DirectConnection<S>, extensions| {
            this.note(purpose, transport, connection.socket(), extensions);
            extensions.insert(connection.outbox().clone());
            extensions.insert(connection.turn().clone());
        })
    }

    /// The service of a worker and listener. `connected` notes what is known of a connection.
    fn service<T: 'static, F: Fn(&T, &mut Extensions) + 'static>(
        &self,
        connected: F,
    ) -> HttpService<T, impl Front + use<T, F>, Tied> {
        attach_once(&self.heartbeats);
        let stopping = self.stopping.clone();
        HttpService::build()
            .keep_alive(self.waits.idle)
            .client_request_timeout(self.header_timeout)
            .client_disconnect_timeout(self.waits.farewell)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(connected)
            .finish(service::service(&self.state))
    }

    /// Notes who connects. The connection counts as open until what is noted of it is dropped with it.
    fn note(
        &self,
        purpose: Purpose,
        transport: Transport,
        socket: &impl Socket,
        extensions: &mut Extensions,
    ) {
        match purpose {
            Purpose::Clients => {}
            Purpose::Nginx => _ = extensions.insert(via_nginx::ViaNginx),
            Purpose::Metrics => _ = extensions.insert(listener::OnMetricsListener),
        }
        if purpose != Purpose::Nginx
            && let (Some(per_address), Some(peer)) = (&self.per_address, socket.peer())
            && let Some(open) = per_address.count(peer, socket.fd())
        {
            extensions.insert(open);
        }
        extensions.insert(self.state.metrics.connection(transport));
    }
}

/// The library makes an application for each worker and listener; a worker has one heart.
fn attach_once(heartbeats: &Heartbeats) {
    thread_local! {
        static ATTACHED: Cell<bool> = const { Cell::new(false) };
    }
    if !ATTACHED.replace(true) {
        heartbeats.attach();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
