//! HTTP/1 on streams without TLS, which can go from one thread to another between two requests.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use actix_web::rt::net::{TcpStream, UnixStream};
use bytes::BytesMut;
use futures_util::future::LocalBoxFuture;

use super::{
    info::ConnectionInfo,
    open::{Roster, Watched},
    upload_workers::{GuestInfo, GuestService},
};
use crate::{
    fast_path::{
        DirectConnection, Handover, OpenStream, PlainSocket, ThreadKind,
        responder::FastPathResponder,
    },
    life_cycle::state::ServerState,
    metrics::Transport,
};

/// Has the framework answer the requests of a connection from this address.
pub(super) type Call<S> =
    dyn Fn(DirectConnection<Watched<S>>, Option<SocketAddr>) -> LocalBoxFuture<'static, ()>;

/// HTTP/1 on streams without TLS, on one thread.
pub(super) struct PlainService<S> {
    state: Arc<ServerState>,
    roster: Roster,
    call: Box<Call<S>>,
}

impl<S: PlainSocket> PlainService<S> {
    pub(super) fn new(state: &Arc<ServerState>, roster: &Roster, call: Box<Call<S>>) -> Self {
        Self { state: Arc::clone(state), roster: roster.clone(), call }
    }

    /// Answers the requests that come behind `unread`, until the client goes away or one is for a thread of the other kind than
    /// `thread`, with which the stream is returned.
    pub(super) async fn answer(
        &self,
        (socket, unread): (S, BytesMut),
        of: &Rc<ConnectionInfo>,
        thread: Option<ThreadKind>,
    ) -> Option<OpenStream> {
        let socket = Watched::new(socket, Rc::clone(of), self.roster.clone());
        let responder = FastPathResponder::of(&self.state, of.purpose, true);
        let handover = Handover::default();
        let connection = DirectConnection::new(socket, responder, Arc::clone(&of.activity));
        (self.call)(connection.behind(unread, thread, handover.clone()), of.peer).await;
        handover.take()
    }

    /// The same for a connection that comes from a worker.
    async fn receive(self: Rc<Self>, stream: OpenStream, of: GuestInfo) -> Option<OpenStream> {
        let GuestInfo { purpose, peer, activity, .. } = of;
        let of = Rc::new(ConnectionInfo::new(purpose, false, peer, activity));
        let socket = S::attach(stream.stream).ok()?;
        self.answer((socket, stream.unread), &of, Some(ThreadKind::UploadWorker)).await
    }
}

/// The services of a thread that carries out small uploads.
pub(super) struct PlainServices {
    pub(super) tcp: Rc<PlainService<TcpStream>>,
    pub(super) unix: Rc<PlainService<UnixStream>>,
}

impl GuestService for PlainServices {
    fn answer(
        &self,
        stream: OpenStream,
        of: GuestInfo,
    ) -> LocalBoxFuture<'static, Option<OpenStream>> {
        match of.transport {
            Transport::Unix => Box::pin(Rc::clone(&self.unix).receive(stream, of)),
            Transport::Tcp | Transport::Tls => Box::pin(Rc::clone(&self.tcp).receive(stream, of)),
        }
    }
}
