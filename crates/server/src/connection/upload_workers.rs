//! Threads that carry out small uploads to a storage on this machine.
//!
//! Such an upload is some steps that block for a moment: two files, and some orders to the index. Each takes less time than its
//! way to another thread and back. So a connection goes to one of these threads with its first small upload, and back to its
//! worker with its first request of another kind. Uploads on one thread wait for each other. Other requests do not wait for them.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use actix_web::rt;
use futures_util::future::LocalBoxFuture;
use rns_cache::MayBlock;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
    task::LocalSet,
};

use super::{listen::Purpose, open::Activity};
use crate::{fast_path::OpenStream, metrics::Transport};

/// Most threads that carry out small uploads. Each is started with a connection for which no other one is free.
const MAX_UPLOAD_WORKERS: usize = 8;

/// The service of a thread that carries out small uploads.
pub(super) trait GuestService {
    /// Answers requests of a connection until one is not for such a thread, with which the stream is returned, or it ends.
    fn answer(
        &self,
        stream: OpenStream,
        of: GuestInfo,
    ) -> LocalBoxFuture<'static, Option<OpenStream>>;
}

/// Makes the service on its thread. `None`: it cannot be made.
pub(super) type MakeGuestService =
    Box<dyn FnOnce() -> LocalBoxFuture<'static, Option<Rc<dyn GuestService>>> + Send>;

/// The threads that carry out small uploads. Clones share them.
#[derive(Clone, Default)]
pub(super) struct UploadWorkers(Arc<Mutex<Vec<UploadWorker>>>);

/// One thread.
struct UploadWorker {
    guests: mpsc::UnboundedSender<Guest>,
    /// Held by each of its connections.
    place: Arc<()>,
}

/// A connection on its way to another thread.
struct Guest {
    stream: OpenStream,
    of: GuestInfo,
    /// Takes the stream back. Closed when the connection is to end.
    back: oneshot::Sender<Option<OpenStream>>,
    _place: Arc<()>,
}

/// Facts about such a connection.
pub(super) struct GuestInfo {
    pub(super) purpose: Purpose,
    pub(super) transport: Transport,
    pub(super) peer: Option<SocketAddr>,
    pub(super) activity: Arc<Activity>,
}

impl UploadWorkers {
    /// Has small uploads carried out until there is another request, with which the stream comes back. `None`: the connection has
    /// ended. Dropped, it ends the connection.
    ///
    /// # Errors
    /// Returns the stream where there is no thread to take it.
    pub(super) async fn carry_out(
        &self,
        stream: OpenStream,
        of: GuestInfo,
        make_service: impl FnOnce() -> MakeGuestService,
    ) -> Result<Option<OpenStream>, OpenStream> {
        let (back, awaited) = oneshot::channel();
        let Some((guests, place)) = self.free(make_service) else { return Err(stream) };
        match guests.send(Guest { stream, of, back, _place: place }) {
            Ok(()) => Ok(awaited.await.ok().flatten()),
            Err(unsent) => Err(unsent.0.stream),
        }
    }

    /// The thread with the fewest connections.
    fn free(
        &self,
        make_service: impl FnOnce() -> MakeGuestService,
    ) -> Option<(mpsc::UnboundedSender<Guest>, Arc<()>)> {
        let mut workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| !worker.guests.is_closed());
        let connections = |worker: &UploadWorker| Arc::strong_count(&worker.place) - 1;
        let least = workers.iter().map(connections).min();
        if workers.len() < MAX_UPLOAD_WORKERS && least != Some(0) {
            match start(make_service()) {
                Ok(guests) => workers.push(UploadWorker { guests, place: Arc::default() }),
                Err(error) => tracing::warn!("there is no thread for more uploads: {error}"),
            }
        }
        let worker = workers.iter().min_by_key(|worker| connections(worker))?;
        Some((worker.guests.clone(), Arc::clone(&worker.place)))
    }
}

/// Starts a thread. It ends when the server has no use for it any more.
fn start(make_service: MakeGuestService) -> io::Result<mpsc::UnboundedSender<Guest>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (guests, arriving) = mpsc::unbounded_channel();
    let name = "upload-worker".to_owned();
    thread::Builder::new().name(name).spawn(move || run(&runtime, make_service, arriving))?;
    Ok(guests)
}

fn run(
    runtime: &Runtime,
    make_service: MakeGuestService,
    mut arriving: mpsc::UnboundedReceiver<Guest>,
) {
    let _may_block = MayBlock::for_many_tasks();
    LocalSet::new().block_on(runtime, async {
        let Some(service) = make_service().await else { return };
        while let Some(guest) = arriving.recv().await {
            rt::spawn(receive(Rc::clone(&service), guest));
        }
    });
}

async fn receive(service: Rc<dyn GuestService>, guest: Guest) {
    let Guest { stream, of, mut back, _place } = guest;
    let left = tokio::select! {
        biased;
        () = back.closed() => return,
        left = service.answer(stream, of) => left,
    };
    _ = back.send(left);
}
