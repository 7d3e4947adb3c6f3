//! The thread that owns all connections.
//!
//! Temporary roots belong to connections, and downloads to the threads that serve them. So that no
//! connection depends on a runtime that is busy or gone, they all live on one thread of their own,
//! which sleeps nearly always.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::config::DaemonConfig;
use super::pool::{Action, ConnectionId, FullPath, Pool, RootReply};
use super::protocol::{Connection, DaemonError, Peer};
use super::report::{self, DaemonReport};

/// A command for the thread.
#[derive(Debug)]
pub(super) enum WorkerCommand {
    /// Hold a path and say so.
    Hold(FullPath, RootReply),
    /// A path that was held is needed once less.
    Release(FullPath),
}

/// An event of a connection.
#[derive(Debug)]
enum WorkerEvent {
    Opened(Peer),
    Agreed,
    Lost(DaemonError),
}

/// Starts the thread; it ends when the sender is gone.
///
/// When it cannot be started, the commands go nowhere, and callers that wait for an answer see that.
pub(super) fn start(config: DaemonConfig) -> UnboundedSender<WorkerCommand> {
    let (sender, commands) = unbounded_channel();
    let started =
        std::thread::Builder::new().name("nix-daemon-roots".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(Worker::new(config).run(commands)),
                Err(error) => failed_to_start(&error),
            }
        });
    if let Err(error) = started {
        failed_to_start(&error);
    }
    sender
}

fn failed_to_start(error: &std::io::Error) {
    tracing::error!(
        %error,
        "cannot start the thread that talks to the Nix daemon; downloads go on, but a garbage \
         collection may break them",
    );
}

struct Worker {
    socket: PathBuf,
    pool: Pool,
    report: DaemonReport,
    connections: HashMap<ConnectionId, Running>,
    events: UnboundedSender<(ConnectionId, WorkerEvent)>,
    happened: UnboundedReceiver<(ConnectionId, WorkerEvent)>,
}

/// A connection's task: it is asked through the channel, and closed by ending the task.
struct Running {
    questions: UnboundedSender<FullPath>,
    task: AbortHandle,
}

impl Worker {
    fn new(config: DaemonConfig) -> Self {
        let (events, happened) = unbounded_channel();
        Self {
            socket: config.socket.clone(),
            report: DaemonReport::new(&config.socket),
            pool: Pool::new(config),
            connections: HashMap::new(),
            events,
            happened,
        }
    }

    async fn run(mut self, mut commands: UnboundedReceiver<WorkerCommand>) {
        loop {
            let wakeup = self.pool.next_wakeup(Instant::now());
            tokio::select! {
                command = commands.recv() => match command {
                    Some(WorkerCommand::Hold(path, reply)) => self.pool.hold(path, reply, Instant::now()),
                    Some(WorkerCommand::Release(path)) => self.pool.release(&path, Instant::now()),
                    None => return,
                },
                // This end keeps a sender, so there is always a next event.
                Some((id, event)) = self.happened.recv() => self.take(id, event),
                () = sleep_until(wakeup) => self.pool.tick(Instant::now()),
            }
            self.report.stalled(self.pool.is_stalled(Instant::now()));
            for action in self.pool.take_actions() {
                self.act(action);
            }
        }
    }

    fn take(&mut self, id: ConnectionId, event: WorkerEvent) {
        // Later events of a closed connection do not matter.
        if !self.connections.contains_key(&id) {
            return;
        }
        let now = Instant::now();
        match event {
            WorkerEvent::Opened(peer) => {
                self.report.opened(&peer);
                self.pool.opened(id, now);
            }
            WorkerEvent::Agreed => {
                self.report.agreed(id);
                self.pool.agreed(id, now);
            }
            WorkerEvent::Lost(error) => {
                self.connections.remove(&id);
                let served = self.pool.lost(id, report::cause(&error), now);
                self.report.lost(id, &error, served);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open(id) => {
                let (questions, asked) = unbounded_channel();
                let (socket, events) = (self.socket.clone(), self.events.clone());
                let task = tokio::spawn(async move {
                    if let Err(error) = converse(id, socket, asked, &events).await {
                        // The receiver is gone only when the pool is.
                        let _ = events.send((id, WorkerEvent::Lost(error)));
                    }
                });
                let task = task.abort_handle();
                self.connections.insert(id, Running { questions, task });
            }
            Action::Ask(id, path) => {
                if let Some(connection) = self.connections.get(&id) {
                    // A task that has just ended has said so, and the path will be asked for again.
                    let _ = connection.questions.send(path);
                }
            }
            Action::Close(id) => {
                if let Some(connection) = self.connections.remove(&id) {
                    connection.task.abort();
                }
            }
        }
    }
}

/// One connection from its opening until it breaks or is aborted.
async fn converse(
    id: ConnectionId,
    socket: PathBuf,
    mut questions: UnboundedReceiver<FullPath>,
    events: &UnboundedSender<(ConnectionId, WorkerEvent)>,
) -> Result<(), DaemonError> {
    let stream = UnixStream::connect(&socket).await.map_err(DaemonError::Unreachable)?;
    let mut connection = Connection::open(stream).await?;
    let _ = events.send((id, WorkerEvent::Opened(connection.peer().clone())));
    loop {
        let path = tokio::select! {
            path = questions.recv() => match path {
                Some(path) => path,
                None => return Ok(()),
            },
            error = connection.disturbance() => return Err(error.into()),
        };
        connection.add_temp_root(&path).await?;
        let _ = events.send((id, WorkerEvent::Agreed));
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
