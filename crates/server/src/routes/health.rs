//! `/healthz`: the program answers. `/readyz`: it can answer truthfully.

use actix_web::http::StatusCode;

use crate::{
    answer::{self, Answer},
    state::{NotReady, State},
};

pub(crate) fn alive() -> Answer {
    answer::plain(StatusCode::OK, "alive\n")
}

/// The reason is given by kind only: file names are for the log.
pub(crate) async fn ready(state: &State) -> Answer {
    let Err(reasons) = state.readiness().await else {
        return answer::plain(StatusCode::OK, "ready\n");
    };
    let key = reasons.iter().any(|reason| matches!(reason, NotReady::Key(_)));
    let store = reasons.iter().any(|reason| matches!(reason, NotReady::Store(_)));
    answer::unavailable(match (store, key) {
        (true, true) => {
            "not ready: the store cannot be read and a signing key cannot be used; see the log\n"
        }
        (true, false) => "not ready: the store cannot be read; see the log\n",
        (false, _) => "not ready: a signing key cannot be used; see the log\n",
    })
}
