//! Listeners and connections: sockets, TLS, HTTP settings, and limits per client.

pub(crate) mod client_network;
pub(crate) mod http;
mod http2;
pub(crate) mod info;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod open;
mod plain;
pub(crate) mod request_parts;
pub mod tls;
mod upload_workers;
pub(crate) mod via_nginx;
