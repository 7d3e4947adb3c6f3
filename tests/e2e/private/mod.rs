//! Caches that only some may read: tokens, CI tokens and client certificates.

mod answers;
mod certificates;
mod clients;
mod files;
mod kept;
mod oidc;
mod paths;
mod secrecy;
