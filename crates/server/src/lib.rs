//! The HTTP side of rust-nix-serve.
//!
//! A request goes one way: [`dispatch`] names what is asked for (the grammar is in `rns_formats::url`), a file in
//! `routes` asks the store one question, [`answer`] turns what was found into status, headers and body.
//! What can be answered without waiting leaves earlier: [`express`] before the framework sees the request, [`at_once`]
//! where a connection has TLS or the request is not a plain one.

pub mod access;
mod answer;
mod asked;
mod at_once;
mod body;
pub mod config;
mod descriptors;
mod dispatch;
mod exchange;
mod express;
mod front;
mod heartbeat;
mod http;
pub mod keys;
mod limits;
mod listen;
mod metrics;
mod nginx;
mod notify;
pub mod page;
mod prepared;
mod prewarm;
mod refusal;
mod reload;
mod rendered;
mod restricted;
mod routes;
mod run;
mod secrecy;
mod signals;
pub mod signing;
mod state;
mod status;
mod stop;
pub mod tls;
mod views;
mod watch;
mod watchers;
mod wire;
mod workers;

pub use listen::ListenError;
pub use run::{RunError, run};
pub use secrecy::keep as keep_secrets;
