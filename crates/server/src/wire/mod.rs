//! Connections without TLS, on which a body need not go through the buffer that heads are written to.
//!
//! The framework copies every byte of a body behind the head into a buffer of its own, and sends that. Here a body puts
//! what it has into the [`Outbox`] of its connection instead; [`Wire`] sends it straight
//! behind the head, without a copy.
//!
//! Nearly all requests are for narinfos, and what the framework does for each costs more than the answer. On a connection
//! whose requests have all been answered, [`Express`] is asked before the framework sees the next one.

mod head;
mod lane;
mod outbox;
mod socket;
mod stream;

pub(crate) use self::{
    lane::{Express, Reply, Turn},
    outbox::Outbox,
    socket::Socket,
    stream::Wire,
};
