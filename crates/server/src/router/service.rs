//! The service of every listener: the framework with its turns.

use std::{
    error::Error as StdError,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_http::{ConnectionType, Request, Response};
use actix_service::{
    IntoServiceFactory as _, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory,
    map_config,
};
use actix_web::{
    App, Error, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{AppConfig, ServiceResponse},
    web::Data,
};
use bytes::Bytes;

use crate::{
    connection::{info::ConnectionInfo, open::Activity},
    fast_path::FrameworkTurn,
    life_cycle::state::ServerState,
    router,
};

/// The factory of the service that answers requests.
pub(crate) trait Front:
    ServiceFactory<
        Request,
        Config = (),
        Response = Answered,
        Error = HttpResponse,
        InitError = (),
        Service: Service<Request, Future: 'static>,
        Future: 'static,
    > + 'static
{
}

impl<T> Front for T where
    T: ServiceFactory<
            Request,
            Config = (),
            Response = Answered,
            Error = HttpResponse,
            InitError = (),
            Service: Service<Request, Future: 'static>,
            Future: 'static,
        > + 'static
{
}

/// Makes the service of a worker.
pub(crate) fn service(state: &Arc<ServerState>) -> impl Front + use<> {
    let app = App::new().app_data(Data::from(Arc::clone(state))).configure(router::configure);
    let app = map_config(app.into_factory(), |()| AppConfig::default());
    let app = app.map_err(|error: Error| error.error_response());
    apply_fn_factory(app, move |request: Request, app: &_| {
        let turn = EndsTurn::of(&request);
        Answering { future: Service::call(app, request), turn: Some(turn) }
    })
}

/// Ends the turn of a request when nothing more of its answer will come.
struct EndsTurn {
    turn: Option<FrameworkTurn>,
    activity: Option<Arc<Activity>>,
}

impl EndsTurn {
    fn of(request: &Request) -> Self {
        // Over HTTP/2 requests are noted where streams begin and end.
        let activity = request.conn_data::<Rc<ConnectionInfo>>().map(|of| Arc::clone(&of.activity));
        if let Some(activity) = &activity {
            activity.request_begins();
        }
        Self { turn: request.conn_data::<FrameworkTurn>().cloned(), activity }
    }

    fn is_last(&self) -> bool {
        self.turn.as_ref().is_some_and(FrameworkTurn::is_last)
    }
}

impl Drop for EndsTurn {
    fn drop(&mut self) {
        if let Some(turn) = &self.turn {
            turn.end();
        }
        if let Some(activity) = &self.activity {
            activity.request_ends();
        }
    }
}

/// The framework's answer, once it is there.
struct Answering<F> {
    future: F,
    turn: Option<EndsTurn>,
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, E>> + Unpin,
{
    type Output = Result<Answered, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = ready!(Pin::new(&mut this.future).poll(cx))?;
        let turn = this.turn.take();
        let is_last = turn.as_ref().is_some_and(EndsTurn::is_last);
        let mut answer = Response::from(answer).map_body(|_, body| Tied { body, _turn: turn });
        if is_last {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        Poll::Ready(Ok(Answered(answer)))
    }
}

/// The answer to a request.
pub(crate) struct Answered(Response<Tied>);

impl From<Answered> for Response<Tied> {
    fn from(answered: Answered) -> Self {
        answered.0
    }
}

/// A body that ends the turn of its request.
pub(crate) struct Tied {
    body: BoxBody,
    _turn: Option<EndsTurn>,
}

impl MessageBody for Tied {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
