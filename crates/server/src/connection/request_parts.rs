//! The parts of a request that both forms have: the framework's own, and the one that it can route.

use std::rc::Rc;

use actix_http::{HttpMessage as _, Request, RequestHead};
use actix_web::HttpRequest;

use crate::connection::{info::ConnectionInfo, listen::Purpose};

/// The head of a request, and facts about the connection that it came by.
pub(crate) trait RequestParts {
    /// Method, URL, version and headers.
    fn head(&self) -> &RequestHead;

    /// Data that was attached to the connection, which is none over HTTP/2.
    fn conn_data<T: 'static>(&self) -> Option<&T>;

    /// Facts about the connection.
    fn connection(&self) -> Option<Rc<ConnectionInfo>>;

    /// Whether it came in by a listener of this purpose.
    fn is_for(&self, purpose: Purpose) -> bool {
        self.connection().is_some_and(|connection| connection.purpose == purpose)
    }

    /// Whether it came in by the listener that only nginx connects to.
    fn is_from_nginx(&self) -> bool {
        self.is_for(Purpose::Nginx)
    }

    /// Whether its connection has TLS.
    fn is_tls(&self) -> bool {
        self.connection().is_some_and(|connection| connection.is_tls)
    }
}

impl RequestParts for HttpRequest {
    fn head(&self) -> &RequestHead {
        Self::head(self)
    }

    fn conn_data<T: 'static>(&self) -> Option<&T> {
        Self::conn_data(self)
    }

    fn connection(&self) -> Option<Rc<ConnectionInfo>> {
        let attached = Self::conn_data::<Rc<ConnectionInfo>>(self).cloned();
        attached.or_else(|| self.extensions().get::<Rc<ConnectionInfo>>().cloned())
    }
}

impl RequestParts for Request {
    fn head(&self) -> &RequestHead {
        Self::head(self)
    }

    fn conn_data<T: 'static>(&self) -> Option<&T> {
        Self::conn_data(self)
    }

    fn connection(&self) -> Option<Rc<ConnectionInfo>> {
        let attached = Self::conn_data::<Rc<ConnectionInfo>>(self).cloned();
        attached.or_else(|| self.extensions().get::<Rc<ConnectionInfo>>().cloned())
    }
}
