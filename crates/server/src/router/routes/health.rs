//! `/healthz`: the program answers. `/readyz`: it can answer truthfully.

use actix_web::http::StatusCode;

use crate::{
    life_cycle::{readiness::kinds, state::ServerState},
    response::{self, Answer},
};

pub(crate) fn alive() -> Answer {
    response::plain(StatusCode::OK, "OK\n")
}

/// The reason is given by kind only: file names are for the log.
pub(crate) async fn ready(state: &ServerState) -> Answer {
    let mut kinds = kinds(&state.unusable_files());
    kinds.extend(state.store_problems().await);
    if kinds.is_empty() {
        return response::plain(StatusCode::OK, "ready\n");
    }
    response::unavailable(format!("not ready: {}; see the log\n", kinds.join(", ")))
}
