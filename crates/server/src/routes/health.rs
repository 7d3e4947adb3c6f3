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
    let mut kinds: Vec<&str> = Vec::new();
    for reason in &reasons {
        let kind = match reason {
            NotReady::Store(_) => "the store cannot be read",
            NotReady::Key(_) => "a signing key cannot be used",
            NotReady::Exposure(_) => "it is not known yet what is shown",
            NotReady::Access(_) => "a file of tokens cannot be used",
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    answer::unavailable(format!("not ready: {}; see the log\n", kinds.join(", ")))
}
