//! Holding store paths while they are read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rns_formats::{StoreDir, StorePath};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::config::DaemonConfig;
use super::pool::FullPath;
use super::unrooted::{HoldCounters, Unrooted};
use super::worker::{self, WorkerCommand};

/// Keeps store paths from being collected, through a Nix daemon.
///
/// Clones share everything. It can be used from any number of runtimes and threads; nothing happens
/// before the first path is held, and everything ends when the last clone and the last
/// [`HeldRoot`] are gone.
#[derive(Clone, Debug)]
pub struct TempRoots {
    shared: Arc<SharedRoots>,
}

#[derive(Debug)]
struct SharedRoots {
    config: Option<DaemonConfig>,
    commands: OnceLock<UnboundedSender<WorkerCommand>>,
    counters: HoldCounters,
    waiting: AtomicUsize,
    held: AtomicUsize,
}

impl TempRoots {
    /// Holds paths through the daemon that `config` names.
    pub fn new(config: DaemonConfig) -> Self {
        Self::with(Some(config))
    }

    /// Holds nothing, because there is to be no daemon.
    pub fn disabled() -> Self {
        Self::with(None)
    }

    fn with(config: Option<DaemonConfig>) -> Self {
        Self {
            shared: Arc::new(SharedRoots {
                config,
                commands: OnceLock::new(),
                counters: HoldCounters::default(),
                waiting: AtomicUsize::new(0),
                held: AtomicUsize::new(0),
            }),
        }
    }

    /// Holds a path, if the daemon agrees within the configured time, until the result is dropped.
    ///
    /// The path need not be valid. To be sure that it stays, hold it first and check its validity after.
    /// An unrooted result is no reason not to serve the path; a root that comes too late
    /// still holds it.
    ///
    /// Needs a Tokio runtime with its timer. When the future is dropped, nothing stays held.
    pub async fn hold(&self, store_dir: &StoreDir, path: &StorePath) -> HeldRoot {
        self.hold_full(store_dir.print(path).into()).await
    }

    /// As [`Self::hold`], with the path in full.
    pub(super) async fn hold_full(&self, path: FullPath) -> HeldRoot {
        let held = self.ask(path).await;
        self.shared.counters.count(held.outcome);
        held
    }

    /// How often a path was held at once, since the start.
    pub fn rooted(&self) -> u64 {
        self.shared.counters.read(None)
    }

    /// How often a path was not held in time because of `cause`, since the start.
    pub fn unrooted(&self, cause: Unrooted) -> u64 {
        self.shared.counters.read(Some(cause))
    }

    /// How many [`HeldRoot`]s exist that are rooted, or will be once the daemon agrees.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    async fn ask(&self, path: FullPath) -> HeldRoot {
        let Some(config) = &self.shared.config else {
            return HeldRoot::without(Unrooted::Disabled);
        };
        let Some(_waiting) = WaitingRoot::enter(&self.shared.waiting, config.waiting) else {
            return HeldRoot::without(Unrooted::Busy);
        };
        let commands = self.commands(config);
        let (reply, answer) = oneshot::channel();
        if commands.send(WorkerCommand::Hold(path.clone(), reply)).is_err() {
            return HeldRoot::without(Unrooted::Failed);
        }
        let mut held = HeldRoot {
            outcome: Err(Unrooted::TimedOut),
            _lease: Some(Lease::new(path, Arc::clone(&self.shared))),
        };
        if let Ok(answer) = tokio::time::timeout(config.deadline, answer).await {
            held.outcome = answer.unwrap_or(Err(Unrooted::Failed));
        }
        held
    }

    fn commands(&self, config: &DaemonConfig) -> &UnboundedSender<WorkerCommand> {
        self.shared.commands.get_or_init(|| worker::start(config.clone()))
    }
}

/// A store path that is held until this is dropped. Dropping never waits.
#[derive(Debug)]
#[must_use = "the path is held only as long as this exists"]
pub struct HeldRoot {
    outcome: Result<(), Unrooted>,
    _lease: Option<Lease>,
}

impl HeldRoot {
    fn without(cause: Unrooted) -> Self {
        Self { outcome: Err(cause), _lease: None }
    }

    /// Whether the path was held when [`TempRoots::hold`] returned.
    pub fn is_rooted(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Why it was not.
    pub fn why_unrooted(&self) -> Option<Unrooted> {
        self.outcome.err()
    }
}

/// One holder of a path in the pool's table.
#[derive(Debug)]
struct Lease {
    path: FullPath,
    shared: Arc<SharedRoots>,
}

impl Lease {
    fn new(path: FullPath, shared: Arc<SharedRoots>) -> Self {
        shared.held.fetch_add(1, Ordering::Relaxed);
        Self { path, shared }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(1, Ordering::Relaxed);
        if let Some(commands) = self.shared.commands.get() {
            // Without the thread there is nothing to release.
            let _ = commands.send(WorkerCommand::Release(FullPath::clone(&self.path)));
        }
    }
}

/// A request that waits for an answer.
struct WaitingRoot<'a>(&'a AtomicUsize);

impl<'a> WaitingRoot<'a> {
    /// Enters unless `limit` wait already.
    fn enter(waiting: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let entered = Self(waiting);
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        (before < limit).then_some(entered)
    }
}

impl Drop for WaitingRoot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
