//! Work of the backends while no request is answered, such as compressing NARs before any client asks for them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rns_cache::{IdleWork, IsBusy};

use crate::life_cycle::state::ServerState;

/// The server counts as busy for this long after a request.
const BUSY_PERIOD: Duration = Duration::from_millis(100);

/// The work, if there is any.
pub(crate) fn work(state: &Arc<ServerState>) -> Option<IdleWork> {
    state.caches.load().factory().idle_work(is_busy(Arc::clone(state)))
}

/// Whether requests are being answered, or were a moment ago.
fn is_busy(state: Arc<ServerState>) -> Arc<IsBusy> {
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
        last.1.elapsed() < BUSY_PERIOD
    })
}
