//! The life of the server: start, run, signals, end.

pub(crate) mod config;
pub(crate) mod core_dumps;
pub(crate) mod error;
pub(crate) mod heartbeat;
pub(crate) mod nofile_limit;
pub(crate) mod readiness;
pub(crate) mod run;
pub(crate) mod shutdown;
pub(crate) mod signals;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod systemd;
pub(crate) mod workers;
