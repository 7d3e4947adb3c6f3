//! What a client asks, whether or not the framework has made a request of it that it can route.

use std::rc::Rc;

use actix_http::{HttpMessage as _, Request, RequestHead};
use actix_web::HttpRequest;

use crate::connection::of::OfConnection;

/// The head of a request, and what is known of the connection that it came by.
pub(crate) trait RequestParts {
    /// Method, URL, version and headers.
    fn head(&self) -> &RequestHead;

    /// What the framework was told when the connection was made, which is nothing over HTTP/2.
    fn conn_data<T: 'static>(&self) -> Option<&T>;

    /// What is known of the connection.
    fn of_connection(&self) -> Option<Rc<OfConnection>>;
}

impl RequestParts for HttpRequest {
    fn head(&self) -> &RequestHead {
        Self::head(self)
    }

    fn conn_data<T: 'static>(&self) -> Option<&T> {
        Self::conn_data(self)
    }

    fn of_connection(&self) -> Option<Rc<OfConnection>> {
        let known = Self::conn_data::<Rc<OfConnection>>(self).cloned();
        known.or_else(|| self.extensions().get::<Rc<OfConnection>>().cloned())
    }
}

impl RequestParts for Request {
    fn head(&self) -> &RequestHead {
        Self::head(self)
    }

    fn conn_data<T: 'static>(&self) -> Option<&T> {
        Self::conn_data(self)
    }

    fn of_connection(&self) -> Option<Rc<OfConnection>> {
        let known = Self::conn_data::<Rc<OfConnection>>(self).cloned();
        known.or_else(|| self.extensions().get::<Rc<OfConnection>>().cloned())
    }
}
