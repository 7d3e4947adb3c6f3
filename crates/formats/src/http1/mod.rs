//! Where one request of HTTP/1 ends and the next begins.
//!
//! A client may send a request before the one before it is answered. A server that decodes ahead then needs to know which
//! bytes belong to which request. [`read_head`] tells how long the head is, [`RequestBody`] how long the body behind it
//! is, both by the rules of RFC 9112 and exactly as actix-http reads them: it refuses the same requests.

mod headers;
mod request_body;
mod request_head;
mod simple_request;

pub use self::{
    request_body::{BodyError, RequestBody},
    request_head::{MAX_HEAD, ReadHead, RequestHead, read_head},
    simple_request::SimpleRequest,
};
