//! Connections without TLS, on which a body need not go through the buffer that heads are written to.
//!
//! The framework copies every byte of a body behind the head into a buffer of its own, and sends that. Here a body puts
//! what it has into the [`Outbox`] of its connection instead; [`DirectConnection`] sends it straight
//! behind the head, without a copy.
//!
//! Nearly all requests are for narinfos, and what the framework does for each costs more than the answer. On a connection
//! whose requests have all been answered, [`Responder`] is asked before the framework sees the next one.

mod connection;
mod handover;
mod head_parser;
mod outbox;
pub(crate) mod responder;
mod socket;

pub(crate) use self::{
    connection::DirectConnection,
    handover::{FrameworkTurn, Reply, Responder},
    outbox::Outbox,
    socket::Socket,
};
