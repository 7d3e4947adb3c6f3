//! Listeners for those who watch the service: nothing but `/metrics` and the health checks, and no token is asked for.

use actix_web::{HttpRequest, http::Method};
use rns_formats::url::Resource;

use crate::{
    life_cycle::state::State,
    response::{self, Answer},
    router::{request_parts::RequestParts, routes},
};

/// Marks a connection to such a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnMetricsListener;

/// Whether a request came in by such a listener.
pub(crate) fn is_metrics_listener(request: &impl RequestParts) -> bool {
    request.conn_data::<OnMetricsListener>().is_some()
}

/// What they get.
pub(crate) async fn answer(
    request: &HttpRequest,
    state: &State,
    resource: Option<Resource>,
) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response::method_not_allowed();
    }
    match resource {
        Some(Resource::Metrics) => routes::metrics::get(request, state),
        Some(Resource::Healthz) => routes::health::alive(),
        Some(Resource::Readyz) => routes::health::ready(state).await,
        _ => response::not_found(),
    }
}
