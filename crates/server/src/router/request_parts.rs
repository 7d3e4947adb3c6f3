//! What a client asks, whether or not the framework has made a request of it that it can route.

use actix_http::{Request, RequestHead};
use actix_web::HttpRequest;

/// The head of a request, and what is known of the connection that it came by.
pub(crate) trait RequestParts {
    /// Method, URL, version and headers.
    fn head(&self) -> &RequestHead;

    /// What was noted when the connection was made.
    fn conn_data<T: 'static>(&self) -> Option<&T>;
}

impl RequestParts for HttpRequest {
    fn head(&self) -> &RequestHead {
        Self::head(self)
    }

    fn conn_data<T: 'static>(&self) -> Option<&T> {
        Self::conn_data(self)
    }
}

impl RequestParts for Request {
    fn head(&self) -> &RequestHead {
        Self::head(self)
    }

    fn conn_data<T: 'static>(&self) -> Option<&T> {
        Self::conn_data(self)
    }
}
