//! HTTP/2 over one connection.
//!
//! The dispatcher of the framework announces no limit of concurrent streams, and reads bodies for clients that take
//! nothing (decision 0010). This one makes requests for the same service that all listeners have, and sends its answers.

mod request;
mod respond;
mod timeouts;

use std::{pin::pin, rc::Rc, sync::Arc};

use actix_http::Request;
use actix_service::Service;
use actix_web::HttpResponse;
use h2::server::Builder;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::timeout,
};

pub(crate) use self::timeouts::Timeouts;
use super::{info::ConnectionInfo, open::Activity};
use crate::{fast_path::Responder, router::service::Answered};

/// The name of the protocol in a handshake.
pub(crate) const NAME: &[u8] = b"h2";

/// Requests that are answered at the same time over one connection. The client is told.
const MAX_STREAMS: u32 = 128;

/// Bytes of the headers of a request.
const MAX_HEADER_LIST_BYTES: u32 = 32 << 10;

/// Bytes of all bodies that a client may send before they are read, until it was allowed to upload something.
const MAX_UNREAD_BYTES: u32 = 64 << 10;

/// The same from then on: the bytes on their way to a server 20 ms away, at a gigabit a second.
const MAX_UNREAD_UPLOAD_BYTES: u32 = 2 << 20;

/// Bytes of one body that a client may send before they are read.
const MAX_UNREAD_BODY_BYTES: u32 = 1 << 20;

/// Bytes of a stream that may wait in memory until the connection takes them.
const MAX_SEND_BUFFER: usize = 64 << 10;

/// A request that is being answered.
struct InProgress(Arc<Activity>);

impl InProgress {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.request_begins();
        Self(Arc::clone(activity))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// Answers the requests of a connection until either end leaves, those that the responder can answer without the
/// service. When `stopping` ends,
/// requests that were made are still answered.
pub(crate) async fn serve<T, S>(
    io: T,
    service: Rc<S>,
    responder: Option<Rc<dyn Responder>>,
    of: Rc<ConnectionInfo>,
    timeouts: Timeouts,
    stopping: impl Future<Output = ()>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request, Response = Answered, Error = HttpResponse> + 'static,
    S::Future: 'static,
{
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .initial_window_size(MAX_UNREAD_BODY_BYTES)
        .initial_connection_window_size(MAX_UNREAD_BYTES)
        .max_send_buffer_size(MAX_SEND_BUFFER);
    let Ok(Ok(mut streams)) = timeout(timeouts.header, builder.handshake(io)).await else { return };
    // Dropping it ends answers that are still being made.
    let mut answering = JoinSet::new();
    let (mut stopping, mut is_stopping) = (pin!(stopping), false);
    let mut ready = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = &mut stopping, if !is_stopping => {
                is_stopping = true;
                streams.graceful_shutdown();
            }
            () = of.uploads.notified() => streams.set_target_window_size(MAX_UNREAD_UPLOAD_BYTES),
            next = streams.accept() => {
                let Some(Ok((head, stream))) = next else { return };
                let (head, body) = head.into_parts();
                let simple = || request::simple(&head, &body);
                let at_once = responder.as_ref().and_then(|all| all.answer_stream(&simple()?));
                if let Some(answer) = at_once {
                    ready.push((answer, stream, InProgress::begin(&of.activity)));
                    continue;
                }
                let Some(request) = request::from_head(&head, body, &of) else {
                    respond::refuse(stream);
                    continue;
                };
                let (service, timeouts) = (Rc::clone(&service), timeouts.clone());
                let in_progress = InProgress::begin(&of.activity);
                answering.spawn_local(async move {
                    respond::answer(&*service, request, stream, &timeouts).await;
                    drop(in_progress);
                });
            }
            // Requests that came together are answered by one write.
            () = std::future::ready(()), if !ready.is_empty() => {
                for (answer, stream, in_progress) in ready.drain(..) {
                    let Some((body, mut stream)) = respond::at_once(answer, stream) else {
                        continue;
                    };
                    let timeouts = timeouts.clone();
                    answering.spawn_local(async move {
                        respond::send_body(body, &mut stream, &timeouts).await;
                        drop(in_progress);
                    });
                }
            }
            Some(_) = answering.join_next() => {}
        }
    }
}
