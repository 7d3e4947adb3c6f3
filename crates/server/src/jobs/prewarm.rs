//! Has NARs compressed before anybody asks for them, while there is nothing else to do.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rns_formats::HashPart;
use rns_nix_store::{Codec, ExposurePolicy, LocalStore, StoreError, Warmed};

use crate::life_cycle::state::State;

/// How often it is looked for what is new.
const INTERVAL: Duration = Duration::from_secs(2);

/// The server counts as busy for this long after a request.
const CALM: Duration = Duration::from_millis(100);

/// Whether anything is to be compressed in advance.
pub(crate) fn is_wanted(state: &State) -> bool {
    let prewarm = &state.config.prewarm;
    state.config.compression.is_some() && (prewarm.new_paths || !prewarm.roots.is_empty())
}

/// Does so for as long as it is polled.
pub(crate) async fn run(state: Arc<State>) {
    let Some(codec) = state.config.compression else { return };
    let busy = busy(Arc::clone(&state));
    let mut new = NewPaths { last: None };
    let mut rooted = Closures::new(&state);
    let mut waiting = VecDeque::new();
    let mut told = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        // An outage is told by those whose requests fail; it is tried again.
        if state.config.prewarm.new_paths {
            _ = new.find(&state, &mut waiting).await;
        }
        if let Some(rooted) = &mut rooted {
            _ = rooted.find(&mut waiting).await;
        }
        while let Some(hash) = waiting.pop_front() {
            match warm(&state, hash, codec, &busy).await {
                Ok(Warmed::NoRoom) if !told => {
                    told = true;
                    tracing::info!(
                        "nothing is compressed in advance any more: the NAR cache is full"
                    );
                }
                Ok(Warmed::Made) => told = false,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Compresses the NAR of a path that one of the caches shows.
async fn warm(
    state: &State,
    hash: HashPart,
    codec: Codec,
    busy: &Arc<dyn Fn() -> bool + Send + Sync>,
) -> Result<Warmed, StoreError> {
    let views = state.views.load_full();
    let mut otherwise = Ok(Warmed::Not);
    for view in views.all() {
        match view.store.warm(hash, codec, busy).await {
            Ok(Warmed::Not) => {}
            Ok(warmed) => return Ok(warmed),
            // It may not be known what this cache shows; another one can show it all the same.
            Err(error) => otherwise = Err(error),
        }
    }
    otherwise
}

/// Follows the closures of roots.
struct Closures {
    store: LocalStore,
    /// The state of the closures that were seen.
    seen: Option<u64>,
}

impl Closures {
    fn new(state: &State) -> Option<Self> {
        let roots = state.config.prewarm.roots.clone();
        let policy = ExposurePolicy { roots: Some(roots.clone()), ..ExposurePolicy::default() };
        let of_roots = || Self { store: state.store.exposing(&policy), seen: None };
        (!roots.is_empty()).then(of_roots)
    }

    async fn find(&mut self, waiting: &mut VecDeque<HashPart>) -> Result<(), StoreError> {
        self.store.exposure_known().await?;
        // Read before the paths are, so that nothing is missed.
        let Some(paths_now) = self.store.exposure_numbers() else { return Ok(()) };
        if self.seen != Some(paths_now.evaluations) {
            waiting.extend(self.store.exposed_paths().await?.unwrap_or_default());
            self.seen = Some(paths_now.evaluations);
        }
        Ok(())
    }
}

/// Follows what is registered.
struct NewPaths {
    last: Option<i64>,
}

impl NewPaths {
    async fn find(
        &mut self,
        state: &State,
        waiting: &mut VecDeque<HashPart>,
    ) -> Result<(), StoreError> {
        let (paths, last) = state.store.registered_after(self.last).await?;
        self.last = Some(last);
        waiting.extend(paths);
        Ok(())
    }
}

/// Whether requests are being answered, or were a moment ago.
fn busy(state: Arc<State>) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let last = Mutex::new((0, Instant::now()));
    Arc::new(move || {
        if state.is_downloading() {
            return true;
        }
        let answered = state.metrics.answered_so_far();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != answered {
            *last = (answered, Instant::now());
        }
        last.1.elapsed() < CALM
    })
}
