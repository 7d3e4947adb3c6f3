//! Connections to the daemon, on which paths are held and made valid.
//!
//! A path is held first, on the connection that makes it valid: a connection holds paths until it ends, and the
//! link that holds the path after that is made before.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    net::UnixStream,
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::daemon::{Connection, DaemonError, WireError};

/// How long the daemon may take to hold a path: it may just be deleting it.
const HOLD_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection is used no more when it is this old: its paths cannot be collected.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(60);

/// A connection is used no more after this many paths.
const MAX_USES: usize = 128;

/// The connections of one store.
#[derive(Debug)]
pub(super) struct DaemonLink {
    socket: PathBuf,
    idle: Mutex<Vec<Idle>>,
    places: Semaphore,
}

#[derive(Debug)]
struct Idle {
    connection: Connection<UnixStream>,
    opened: Instant,
    uses: usize,
}

/// A connection that holds a path. Dropped, it is closed; see [`HoldingConnection::keep`].
pub(super) struct HoldingConnection<'a> {
    link: &'a DaemonLink,
    idle: Idle,
    _place: SemaphorePermit<'a>,
}

impl DaemonLink {
    /// At most so many connections at a time, to the daemon at this socket.
    pub(super) const fn new(socket: PathBuf, connections: usize) -> Self {
        Self { socket, idle: Mutex::new(Vec::new()), places: Semaphore::const_new(connections) }
    }

    /// A connection that holds a path (written in full), whether it is valid or not. It waits for its turn.
    ///
    /// # Errors
    /// When the daemon cannot be reached, or does not agree.
    pub(super) async fn holding(&self, path: &str) -> Result<HoldingConnection<'_>, DaemonError> {
        let place = self.places.acquire().await.map_err(|_| WireError::Closed)?;
        let held = timeout(HOLD_TIMEOUT, async {
            // One that has not been used for a while may have ended with its daemon.
            while let Some(mut idle) = self.take() {
                match idle.hold(path).await {
                    Ok(()) => return Ok(idle),
                    Err(DaemonError::Wire(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let connection = self.connect().await?;
            let mut idle = Idle { connection, opened: Instant::now(), uses: 0 };
            idle.hold(path).await?;
            Ok(idle)
        });
        let idle = held.await.unwrap_or_else(|elapsed| {
            Err(DaemonError::Unreachable(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                elapsed,
            )))
        })?;
        Ok(HoldingConnection { link: self, idle, _place: place })
    }

    /// A connection for one order that takes long, beside those that are counted.
    ///
    /// # Errors
    /// When the daemon cannot be reached, or does not let us in.
    pub(super) async fn connect(&self) -> Result<Connection<UnixStream>, DaemonError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(DaemonError::Unreachable)?;
        Connection::open(stream).await
    }

    /// Closes connections that are too old, so that nothing is held for longer than it must be.
    pub(super) fn close_old(&self) {
        self.idle().retain(Idle::is_usable);
    }

    fn take(&self) -> Option<Idle> {
        let mut idle = self.idle();
        idle.retain(Idle::is_usable);
        idle.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    async fn hold(&mut self, path: &str) -> Result<(), DaemonError> {
        self.uses += 1;
        self.connection.add_temp_root(path).await
    }

    fn is_usable(&self) -> bool {
        self.uses < MAX_USES && self.opened.elapsed() < MAX_CONNECTION_AGE
    }
}

impl HoldingConnection<'_> {
    /// The daemon.
    pub(super) const fn daemon(&mut self) -> &mut Connection<UnixStream> {
        &mut self.idle.connection
    }

    /// Gives the connection back after an answer that was read to its end. It goes on holding the path for a minute.
    pub(super) fn keep(self) {
        let Self { link, idle, .. } = self;
        if idle.is_usable() {
            link.idle().push(idle);
        }
    }
}
