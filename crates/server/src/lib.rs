//! The HTTP side of rust-nix-serve.
//!
//! A request goes one way: [`router`] names the resource (the grammar is in `rns_formats::url`), [`auth`] decides
//! whether the client may have it, a file in `router/routes` asks one question, and [`response`] turns the result into
//! status, headers and body. On kept connections without TLS, [`fast_path`] answers from memory before actix-web sees
//! the request.

pub mod auth;
mod caches;
mod connection;
mod fast_path;
mod jobs;
mod life_cycle;
mod metrics;
mod narinfo_cache;
mod response;
mod router;

pub use caches::{keys, signing};
pub use connection::{
    listen::{ListenError, PassedSocketError},
    tls,
};
pub use life_cycle::{core_dumps::keep as keep_secrets, error::RunError, run::run};
pub use router::page;

/// Roots as clients see them.
pub mod roots {
    pub use crate::router::root_view::{RootList, SetLine, set_json};
}

/// How a server is configured.
pub mod config {
    pub use crate::{
        auth::{Permission, Permissions, config::*},
        caches::config::*,
        connection::limits::config::*,
        life_cycle::config::*,
    };
}
