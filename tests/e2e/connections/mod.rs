//! Listeners, and the requests and clients that come in over them.

mod addresses;
mod bad_requests;
mod budget;
mod crowds;
mod http2;
pub(crate) mod kept;
mod limits;
mod metrics_listener;
mod pipelined;
mod slow_clients;
mod tls;
mod unix_socket;
