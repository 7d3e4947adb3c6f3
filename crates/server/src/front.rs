//! The service that every listener has: what can be answered at once is, and the framework sees the rest.

use std::{
    error::Error as StdError,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_http::{Request, Response};
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

use crate::{answer::Answer, body::Body, dispatch, state::State, wire::Turn};

/// What makes the service that answers requests.
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
pub(crate) fn service(state: &Arc<State>) -> impl Front + use<> {
    let app = App::new().app_data(Data::from(Arc::clone(state))).configure(dispatch::configure);
    let app = map_config(app.into_factory(), |()| AppConfig::default());
    let app = app.map_err(|error: Error| error.error_response());
    let state = Arc::clone(state);
    apply_fn_factory(app, move |request: Request, app: &_| {
        let turn = request.conn_data::<Turn>().cloned().map(EndsTurn);
        match dispatch::at_once(&request, &state) {
            Some(answer) => Answering::AtOnce(Some((answer, turn))),
            None => Answering::Framework(Service::call(app, request), turn),
        }
    })
}

/// Ends the turn of a request when nothing more of its answer will come.
struct EndsTurn(Turn);

impl Drop for EndsTurn {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// An answer that is there, or will be.
enum Answering<F> {
    AtOnce(Option<(Answer, Option<EndsTurn>)>),
    Framework(F, Option<EndsTurn>),
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, E>> + Unpin,
{
    type Output = Result<Answered, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::AtOnce(answer) => {
                let Some((answer, turn)) = answer.take() else { return Poll::Pending };
                Poll::Ready(Ok(Answered::new(answer.into(), AnyBody::Own, turn)))
            }
            Self::Framework(future, turn) => {
                let answer = ready!(Pin::new(future).poll(cx))?;
                Poll::Ready(Ok(Answered::new(answer.into(), AnyBody::Boxed, turn.take())))
            }
        }
    }
}

/// What a request was answered with.
pub(crate) struct Answered(Response<Tied>);

impl Answered {
    fn new<B>(answer: Response<B>, of: impl FnOnce(B) -> AnyBody, turn: Option<EndsTurn>) -> Self {
        Self(answer.map_body(|_, body| Tied { body: of(body), _turn: turn }))
    }
}

impl From<Answered> for Response<Tied> {
    fn from(answered: Answered) -> Self {
        answered.0
    }
}

/// A body that ends the turn of its request.
pub(crate) struct Tied {
    body: AnyBody,
    _turn: Option<EndsTurn>,
}

enum AnyBody {
    Own(Body),
    Boxed(BoxBody),
}

impl MessageBody for Tied {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        match &self.body {
            AnyBody::Own(body) => body.size(),
            AnyBody::Boxed(body) => body.size(),
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.get_mut().body {
            AnyBody::Own(body) => Pin::new(body).poll_next(cx).map_err(Into::into),
            AnyBody::Boxed(body) => Pin::new(body).poll_next(cx),
        }
    }
}
