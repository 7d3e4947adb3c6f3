//! Listeners for those who watch the service: nothing but `/metrics` and the health checks, and no token is asked for.

use actix_web::{HttpRequest, http::Method};
use rns_formats::url::Resource;

use crate::{
    answer::{self, Answer},
    asked::Asked,
    routes,
    state::State,
};

/// Marks a connection to such a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watching;

/// Whether a request came in by such a listener.
pub(crate) fn is_watching(request: &impl Asked) -> bool {
    request.conn_data::<Watching>().is_some()
}

/// What they get.
pub(crate) async fn answer(
    request: &HttpRequest,
    state: &State,
    resource: Option<Resource>,
) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer::method_not_allowed();
    }
    match resource {
        Some(Resource::Metrics) => routes::metrics::get(request, state),
        Some(Resource::Healthz) => routes::health::alive(),
        Some(Resource::Readyz) => routes::health::ready(state).await,
        _ => answer::not_found(),
    }
}
