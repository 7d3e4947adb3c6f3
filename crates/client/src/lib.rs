//! The client's side of a binary cache over HTTP: questions, uploads and what makes them arrive.
//!
//! [`CacheClient`] speaks to one cache, be it this program's server, a web server that takes `PUT`, or anything else that
//! stock Nix can use. What is worth another try is tried again here; whoever calls sees only how it ended, as a
//! [`Failure`] with a meaning.

mod body;
mod cache_client;
mod connect;
mod credentials;
mod error;
mod netrc;
mod presence;
mod public_keys;
mod questions;
mod retry;
mod roots;
mod send;
mod uploads;

pub use self::{
    body::UploadBody,
    cache_client::{CacheClient, ClientConfig},
    credentials::{Credentials, CredentialsError},
    error::{Failure, RequestError},
    netrc::{Netrc, NetrcEntry},
    retry::RetryPolicy,
    roots::NewRoot,
};
