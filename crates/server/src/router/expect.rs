//! Clients that wait for `100 Continue` before they send a body. Those who are refused do not send it, and those who have
//! to wait for their turn wait with it.

use std::{rc::Rc, sync::Arc};

use actix_http::{HttpMessage as _, Request, Response};
use actix_service::{Service, ServiceFactory, fn_service};
use actix_web::body::BoxBody;

use crate::{
    connection::{info::ConnectionInfo, open::Activity},
    fast_path::FrameworkTurn,
    life_cycle::state::ServerState,
    metrics::listener::is_metrics_listener,
    router::admitted_by_head,
};

/// The factory of the service that decides whether the body of a request shall be sent.
pub(crate) trait ExpectFactory:
    ServiceFactory<
        Request,
        Config = (),
        Response = Request,
        Error = Response<BoxBody>,
        InitError = (),
        Service: Service<Request, Future: 'static>,
        Future: 'static,
    > + 'static
{
}

impl<T> ExpectFactory for T where
    T: ServiceFactory<
            Request,
            Config = (),
            Response = Request,
            Error = Response<BoxBody>,
            InitError = (),
            Service: Service<Request, Future: 'static>,
            Future: 'static,
        > + 'static
{
}

/// Makes the service of a worker.
pub(crate) fn service(state: &Arc<ServerState>) -> impl ExpectFactory + use<> {
    let state = Arc::clone(state);
    // Every connection has room for this future, whether or not it ever uploads: boxed, that is a pointer.
    fn_service(move |request: Request| Box::pin(decide(request, Arc::clone(&state))))
}

async fn decide(request: Request, state: Arc<ServerState>) -> Result<Request, Response<BoxBody>> {
    let _busy = ActiveRequest::of(&request);
    // Those have no bodies that anything is done with.
    if is_metrics_listener(&request) {
        return Ok(request);
    }
    match admitted_by_head(&request, &state).await {
        Ok(place) => {
            if let Some(place) = place {
                request.extensions_mut().insert(place);
            }
            Ok(request)
        }
        Err(refusal) => {
            if let Some(turn) = request.conn_data::<FrameworkTurn>() {
                turn.end();
            }
            Err(Response::from(refusal.map_into_boxed_body()))
        }
    }
}

/// Notes that a request is in hand, which has its connection stay open.
struct ActiveRequest(Option<Arc<Activity>>);

impl ActiveRequest {
    fn of(request: &Request) -> Self {
        let activity = request.conn_data::<Rc<ConnectionInfo>>().map(|of| Arc::clone(&of.activity));
        if let Some(activity) = &activity {
            activity.request_begins();
        }
        Self(activity)
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.request_ends();
        }
    }
}
