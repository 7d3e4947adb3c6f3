//! Listeners for monitoring: nothing but `/metrics` and the health checks, and no token is asked for.

use actix_web::{HttpRequest, http::Method};
use rns_formats::url::Resource;

use crate::{
    connection::{listen::Purpose, request_parts::RequestParts},
    life_cycle::state::ServerState,
    response::{self, Answer},
    router::routes,
};

/// Whether a request came in by such a listener.
pub(crate) fn is_metrics_listener(request: &impl RequestParts) -> bool {
    request.is_for(Purpose::Metrics)
}

/// The answer on such a listener.
pub(crate) async fn answer(
    request: &HttpRequest,
    state: &ServerState,
    resource: Option<Resource>,
) -> Answer {
    match resource {
        Some(Resource::Healthz) => routes::health::alive(),
        Some(Resource::Readyz) => routes::health::ready(state).await,
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            response::method_not_allowed()
        }
        Some(Resource::Metrics) => routes::metrics::get(request, state),
        _ => response::not_found(),
    }
}
