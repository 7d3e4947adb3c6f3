//! HTTP on the connections of a listener, and its bounds.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc, sync::Arc};

use actix_http::{Extensions, HttpService, KeepAlive, Protocol};
use actix_server::GracefulShutdownSignal;
use actix_service::{Service as _, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::net::{TcpStream, UnixStream};
use bytes::BytesMut;
use futures_util::future::LocalBoxFuture;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    auth::ConnectionCertificate,
    connection::{
        http2,
        info::ConnectionInfo,
        limits::{OpenHere, PerAddress},
        listen::Purpose,
        open::{Handshakes, OpenConnection, Roster, Watched},
        plain::{PlainService, PlainServices},
        tls::{Certificate, ClientCa},
        upload_workers::{GuestInfo, GuestService, MakeGuestService, UploadWorkers},
    },
    fast_path::{
        DirectConnection, PlainSocket, Socket as _, ThreadKind, responder::FastPathResponder,
    },
    life_cycle::{heartbeat::Heartbeats, state::ServerState},
    metrics::{self, Transport},
    router::{
        expect::{self, ExpectFactory},
        service::{self, Front, Tied},
    },
};

/// Bytes that the framework writes before it asks the socket to take them. It keeps the bytes that the client does not take.
const MAX_WRITE_BUFFER_BYTES: usize = 8 << 10;

/// The service that takes the connections of a listener.
macro_rules! Accept {
    ($stream:ty $(, $captured:ident)?) => {
        impl ServiceFactory<$stream, Config = (), Response = (), Error = (), InitError = ()>
            + use<$($captured)?>
    };
}

/// The parts of the services of all listeners. Clones share them.
#[derive(Clone)]
pub(crate) struct HttpServices {
    stopping: GracefulShutdownSignal,
    state: Arc<ServerState>,
    heartbeats: Heartbeats,
    roster: Roster,
    handshakes: Handshakes,
    per_address: Option<PerAddress>,
    client_ca: Option<ClientCa>,
    /// `None` on one of their threads.
    upload_workers: Option<UploadWorkers>,
}

/// A connection that was let in. It is counted until this is dropped.
struct LetIn {
    of: Rc<ConnectionInfo>,
    _place: OpenConnection,
    _of_address: Option<OpenHere>,
    _gauge: metrics::ConnectionGauge,
}

impl LetIn {
    /// Runs until it is done or the connection is to be closed.
    async fn run(&self, task: impl Future<Output = ()>) {
        _ = self.of.activity.until_closed(task).await;
    }
}

impl HttpServices {
    pub(crate) fn new(
        state: &Arc<ServerState>,
        heartbeats: &Heartbeats,
        roster: &Roster,
        certificate: Option<&Certificate>,
        stopping: GracefulShutdownSignal,
    ) -> Self {
        let (limits, failure_policy) = (&state.config.limits, &state.config.failure_policy);
        let most = limits.connections_per_address;
        Self {
            stopping,
            state: Arc::clone(state),
            heartbeats: heartbeats.clone(),
            roster: roster.clone(),
            handshakes: Handshakes::new(limits.header_timeout),
            per_address: most.map(|most| PerAddress::new(most, failure_policy.clone())),
            client_ca: certificate.map(|certificate| certificate.client_ca().clone()),
            upload_workers: Some(UploadWorkers::default()),
        }
    }

    /// Without TLS.
    pub(crate) fn tcp(&self, purpose: Purpose) -> Accept!(TcpStream) {
        self.plain(purpose, Transport::Tcp)
    }

    /// On a unix socket.
    pub(crate) fn unix(&self, purpose: Purpose) -> Accept!(UnixStream) {
        self.plain(purpose, Transport::Unix)
    }

    /// With TLS, and with HTTP/2 for clients that want it.
    pub(crate) fn tls(
        &self,
        mut config: rustls::ServerConfig,
        purpose: Purpose,
    ) -> Accept!(TcpStream) {
        config.alpn_protocols = vec![http2::NAME.to_vec(), b"http/1.1".to_vec()];
        let (this, acceptor) = (self.clone(), TlsAcceptor::from(Arc::new(config)));
        fn_factory(move || {
            let (this, acceptor) = (this.clone(), acceptor.clone());
            async move {
                attach_once(&this.heartbeats);
                let responder = FastPathResponder::of(&this.state, purpose, false);
                let http1 = this.http1(
                    |connection: &DirectConnection<TlsStream<Watched<TcpStream>>>, extensions| {
                        extensions.insert(Rc::clone(connection.socket().get_ref().0.of()));
                        extensions.insert(connection.turn().clone());
                    },
                );
                let http1 = Rc::new(http1.new_service(()).await?);
                let http2 = Rc::new(service::service(&this.state).new_service(()).await?);
                Ok(fn_service(move |socket: TcpStream| {
                    let (this, acceptor) = (this.clone(), acceptor.clone());
                    let (http1, http2) = (Rc::clone(&http1), Rc::clone(&http2));
                    let responder = responder.clone();
                    async move {
                        let let_in =
                            this.let_in(socket.peer(), purpose, Transport::Tls).ok_or(())?;
                        let of = &let_in.of;
                        let socket = Watched::new(socket, Rc::clone(of), this.roster.clone());
                        let conversation = async {
                            let stream = this.handshakes.accept(&acceptor, socket).await;
                            let stream = stream.map_err(|error| this.note_failure(of, &error))?;
                            let connection = stream.get_ref().1;
                            let is_http2 = connection.alpn_protocol() == Some(http2::NAME);
                            if let Some(client_ca) = &this.client_ca
                                && let Some(shown) =
                                    ConnectionCertificate::of(client_ca, connection)
                            {
                                _ = of.certificate.set(shown);
                            }
                            of.activity.is_made(!is_http2);
                            // The framework's side evaluates certificates.
                            let responder = responder.filter(|_| of.certificate.get().is_none());
                            if is_http2 {
                                let timeouts = this.http2_timeouts();
                                let stopping = this.stopping.notified();
                                let of = Rc::clone(of);
                                http2::serve(stream, http2, responder, of, timeouts, stopping)
                                    .await;
                            } else {
                                let activity = Arc::clone(&of.activity);
                                let direct = DirectConnection::new(stream, responder, activity);
                                _ = http1.call((direct, Protocol::Http1, of.peer)).await;
                            }
                            Ok::<(), ()>(())
                        };
                        let_in.run(async { _ = conversation.await }).await;
                        Ok(())
                    }
                }))
            }
        })
    }

    fn plain<S: PlainSocket>(&self, purpose: Purpose, transport: Transport) -> Accept!(S, S) {
        let this = self.clone();
        fn_factory(move || {
            let this = this.clone();
            async move {
                attach_once(&this.heartbeats);
                let service = Rc::new(this.plain_service().await?);
                Ok(fn_service(move |socket: S| {
                    let (this, service) = (this.clone(), Rc::clone(&service));
                    async move {
                        let let_in = this.let_in(socket.peer(), purpose, transport).ok_or(())?;
                        let conversation = this.converse(&service, socket, &let_in.of, transport);
                        let_in.run(conversation).await;
                        Ok(())
                    }
                }))
            }
        })
    }

    /// HTTP/1 without TLS, on this thread.
    async fn plain_service<S: PlainSocket>(&self) -> Result<PlainService<S>, ()> {
        let http1 = self.http1(|connection: &DirectConnection<Watched<S>>, extensions| {
            extensions.insert(Rc::clone(connection.socket().of()));
            extensions.insert(connection.outbox().clone());
            extensions.insert(connection.turn().clone());
        });
        let http1 = Rc::new(http1.new_service(()).await?);
        let call = move |connection, peer| -> LocalBoxFuture<'static, ()> {
            let http1 = Rc::clone(&http1);
            Box::pin(async move { _ = http1.call((connection, Protocol::Http1, peer)).await })
        };
        Ok(PlainService::new(&self.state, &self.roster, Box::new(call)))
    }

    /// Answers the requests of a connection, small uploads on another thread where that is of use.
    async fn converse<S: PlainSocket>(
        &self,
        service: &PlainService<S>,
        socket: S,
        of: &Rc<ConnectionInfo>,
        transport: Transport,
    ) {
        let upload_workers =
            self.upload_workers.as_ref().filter(|_| self.state.caches.load().has_local_targets());
        let mut thread = upload_workers.map(|_| ThreadKind::Worker);
        let (mut socket, mut unread) = (socket, BytesMut::new());
        while let Some(left) = service.answer((socket, unread), of, thread).await
            && let Some(upload_workers) = upload_workers
        {
            let activity = Arc::clone(&of.activity);
            let guest = GuestInfo { purpose: of.purpose, transport, peer: of.peer, activity };
            let services = || self.guest_services();
            let back = match upload_workers.carry_out(left, guest, services).await {
                Ok(Some(back)) => back,
                Ok(None) => return,
                Err(unsent) => {
                    thread = None;
                    unsent
                }
            };
            let Ok(attached) = S::attach(back.stream) else { return };
            (socket, unread) = (attached, back.unread);
        }
    }

    /// The same on a thread that carries out small uploads.
    fn guest_services(&self) -> MakeGuestService {
        let services = Self { upload_workers: None, ..self.clone() };
        Box::new(move || {
            Box::pin(async move {
                let tcp = Rc::new(services.plain_service().await.ok()?);
                let unix = Rc::new(services.plain_service().await.ok()?);
                Some(Rc::new(PlainServices { tcp, unix }) as Rc<dyn GuestService>)
            })
        })
    }

    /// HTTP/1 as the framework speaks it. It closes no connection for being idle: the roster does. `connected` returns the
    /// facts about a connection.
    fn http1<T: 'static, F: Fn(&T, &mut Extensions) + 'static>(
        &self,
        connected: F,
    ) -> HttpService<T, impl Front + use<T, F>, Tied, impl ExpectFactory + use<T, F>> {
        let (stopping, limits) = (self.stopping.clone(), &self.state.config.limits);
        HttpService::build()
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(limits.header_timeout)
            .client_disconnect_timeout(limits.stall_timeout)
            .h1_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .expect(expect::service(&self.state))
            .on_connect_ext(connected)
            .finish(service::service(&self.state))
    }

    fn http2_timeouts(&self) -> http2::Timeouts {
        let limits = &self.state.config.limits;
        http2::Timeouts {
            header: limits.header_timeout,
            stall: limits.stall_timeout,
            pressure: self.state.send_budget.pressure().clone(),
        }
    }

    /// Counts who connects; `None` when there is no place.
    fn let_in(
        &self,
        peer: Option<SocketAddr>,
        purpose: Purpose,
        transport: Transport,
    ) -> Option<LetIn> {
        let of_address = match (&self.per_address, peer) {
            (Some(per_address), Some(peer)) if purpose == Purpose::Clients => {
                per_address.count(peer).ok()?
            }
            _ => None,
        };
        let place = self.roster.join(purpose).ok()?;
        let is_tls = transport == Transport::Tls;
        let of = ConnectionInfo::new(purpose, is_tls, peer, Arc::clone(place.activity()));
        Some(LetIn {
            of: Rc::new(of),
            _place: place,
            _of_address: of_address,
            _gauge: self.state.metrics.connection(transport),
        })
    }

    /// Tells the operator of a client that was sent away for its certificate: it learns no more than that.
    fn note_failure(&self, of: &ConnectionInfo, error: &io::Error) {
        let shown = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = shown {
            self.state.failure_policy.bad_certificate(of.peer.map(|peer| peer.ip()), why);
        }
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
