//! `/healthz`: the program answers. `/readyz`: it can answer truthfully.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use tokio::sync::Mutex;

use crate::{
    life_cycle::state::{NotReady, State},
    response::{self, Answer},
};

/// How long an answer of the store is good for those who ask again. No limit of requests is in front of them.
const KEPT: Duration = Duration::from_secs(1);

/// What is wrong with the store, and when that was found out.
#[derive(Default)]
pub(crate) struct ReadinessCache(Mutex<Option<(Instant, Vec<&'static str>)>>);

pub(crate) fn alive() -> Answer {
    response::plain(StatusCode::OK, "OK\n")
}

/// The reason is given by kind only: file names are for the log.
pub(crate) async fn ready(state: &State) -> Answer {
    let mut kinds = kinds(&state.unusable_files());
    kinds.extend(state.readiness_cache.store(state).await);
    if kinds.is_empty() {
        return response::plain(StatusCode::OK, "ready\n");
    }
    response::unavailable(format!("not ready: {}; see the log\n", kinds.join(", ")))
}

impl ReadinessCache {
    /// What is wrong with the store. One asks it, and the others that come meanwhile wait for what it says.
    pub(crate) async fn store(&self, state: &State) -> Vec<&'static str> {
        let mut last = self.0.lock().await;
        if let Some((at, kinds)) = &*last
            && at.elapsed() < KEPT
        {
            return kinds.clone();
        }
        let kinds = kinds(&state.unusable_store().await);
        *last = Some((Instant::now(), kinds.clone()));
        kinds
    }
}

/// Each kind of reason once.
fn kinds(reasons: &[NotReady]) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for reason in reasons {
        let kind = match reason {
            NotReady::Store(_) => "the store cannot be read",
            NotReady::Full => "requests wait for others to be answered",
            NotReady::Key(_) => "a signing key cannot be used",
            NotReady::Exposure(_) => "it is not known yet what is shown",
            NotReady::Access(_) => "a file of tokens cannot be used",
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}
