//! Listeners and connections: sockets, TLS, HTTP settings, and limits per client.

pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod listen;
pub mod tls;
pub(crate) mod via_nginx;
