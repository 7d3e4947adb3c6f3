//! Listeners and connections: sockets, TLS, HTTP settings, and limits per client.

pub(crate) mod http;
mod http2;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod of;
pub(crate) mod open;
pub mod tls;
pub(crate) mod via_nginx;
