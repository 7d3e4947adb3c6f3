//! The server as a service: sockets that are passed to it, reload, notifications and its end.

mod log;
mod reload;
mod shutdown;
mod socket_activation;
pub(crate) mod systemd_notify;
