//! The HTTP client of a bucket: it tells requests that can be repeated from those that cannot.
//!
//! The library repeats requests, with a limit, and leaves out failures whose cause it does not know, such as a kept connection
//! that the server resets in the middle of a request, and deletions whose answer is lost. Each request of this program can be
//! repeated: objects are written whole, and one that is not there is deleted already.

use async_trait::async_trait;
use http::Method;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService, ReqwestConnector,
    },
};

/// Makes such clients.
#[derive(Debug, Default)]
pub(super) struct RepeatingConnector;

#[derive(Debug)]
struct Repeatable(HttpClient);

impl HttpConnector for RepeatingConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Repeatable(ReqwestConnector::default().connect(options)?)))
    }
}

#[async_trait]
impl HttpService for Repeatable {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = request.method().clone();
        let is_list = method == Method::GET && is_list(request.uri().query().unwrap_or_default());
        let answer = self.0.execute(request).await.map_err(|error| repeatable(error, &method))?;
        if !is_list || !answer.status().is_success() {
            return Ok(answer);
        }
        // The library does not repeat a page of a list that ends in the middle. A page is small.
        let (parts, body) = answer.into_parts();
        let body = body.bytes().await.map_err(|error| repeatable(error, &method))?;
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body)))
    }
}

/// Whether this is the query of a page of a list.
fn is_list(query: &str) -> bool {
    query.split('&').any(|pair| pair == "list-type=2")
}

/// The same error, of a kind that the library repeats.
fn repeatable(error: HttpError, method: &Method) -> HttpError {
    let kind = match error.kind() {
        // The library takes a deletion for one that cannot be repeated, unless it was not sent.
        HttpErrorKind::Unknown
        | HttpErrorKind::Interrupted
        | HttpErrorKind::Timeout
        | HttpErrorKind::Decode
            if *method == Method::DELETE =>
        {
            HttpErrorKind::Request
        }
        HttpErrorKind::Unknown | HttpErrorKind::Decode => HttpErrorKind::Interrupted,
        known => known,
    };
    if kind == error.kind() { error } else { HttpError::new(kind, error) }
}
