//! The connection below the framework: it hands over one request at a time, sends bodies without a copy, and answers
//! most requests before the framework sees them.
//!
//! - [`RequestGate`](request_gate::RequestGate) withholds the bytes of a request until the one before it is answered. The
//!   framework decodes all that it has read, and keeps method, version and `Connection` of the last request only:
//!   with two requests in hand, it would answer the first by the rules of the second.
//! - The framework copies every byte of a body into a buffer of its own. A body puts its pieces into the [`Outbox`] of its
//!   connection instead, and [`DirectConnection`] sends them behind the head.
//! - Small uploads are steps that block for a moment. [`Handover`] takes their connections to threads that may block, and back.
//! - The framework costs more for a request than the narinfo that is sent. [`Responder`] is the one trait between
//!   this folder and the answers that need no waiting; `fast_path = false` leaves it out.

mod connection;
#[cfg(test)]
mod differential;
mod outbox;
mod request_gate;
pub(crate) mod responder;
mod socket;
mod turn;

pub(crate) use self::{
    connection::{DirectConnection, Handover, OpenStream},
    outbox::Outbox,
    request_gate::{FastAnswer, Responder, ThreadKind},
    socket::{PlainSocket, Socket},
    turn::FrameworkTurn,
};
