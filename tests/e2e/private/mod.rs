//! Caches that only some may read: tokens, CI tokens and client certificates.

mod answers;
pub(crate) mod certificates;
pub(crate) mod clients;
mod files;
mod oidc;
mod paths;
mod secrecy;
