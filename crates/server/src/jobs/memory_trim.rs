//! Memory that answers needed goes back to the system when no more are asked for: the allocator keeps it otherwise.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::sleep};

use crate::life_cycle::state::ServerState;

/// How long nothing may have been answered.
const TRIM_INTERVAL: Duration = Duration::from_secs(3);

/// Trims once after each time in which requests were answered.
pub(crate) async fn work(state: &ServerState) -> ! {
    let (mut answered, mut is_due) = (0, false);
    loop {
        sleep(TRIM_INTERVAL).await;
        let now = state.metrics.answered_so_far();
        if now != answered {
            (answered, is_due) = (now, true);
        } else if is_due && !state.is_downloading() {
            is_due = false;
            // It takes some milliseconds for each hundred MiB.
            _ = spawn_blocking(trim).await;
        }
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library offers it, and no crate wraps it")]
fn trim() {
    // SAFETY: it may be called at any time from any thread, and changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
const fn trim() {}
