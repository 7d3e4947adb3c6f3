//! Listeners, and the requests and clients that come in over them.

mod addresses;
mod bad_requests;
pub(crate) mod kept;
mod limits;
mod metrics_listener;
mod pipelined;
mod slow_clients;
mod tls;
mod unix_socket;
