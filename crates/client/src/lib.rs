//! The client's side of a binary cache over HTTP: questions and uploads, with retries.
//!
//! [`CacheClient`] speaks to one cache, be it this program's server, a web server that takes `PUT`, or anything else that
//! stock Nix can use. Requests are retried here; the caller sees only the end, as a
//! [`RequestFailure`] with a meaning.

mod body;
mod ca_file;
mod cache_client;
mod connect;
mod credentials;
mod error;
mod liveness;
mod netrc;
mod percent;
mod plain_url;
mod presence;
mod public_keys;
mod questions;
mod retry;
mod roots;
mod send;
mod uploads;

pub use self::{
    body::UploadBody,
    ca_file::{CaFile, CaFileError},
    cache_client::{CacheClient, ClientConfig},
    credentials::{Credentials, CredentialsError},
    error::{RequestError, RequestFailure, WrongCredential},
    liveness::Liveness,
    netrc::{Netrc, NetrcEntry, netrc_host, why_no_credential},
    percent::percent_decoded,
    plain_url::plain_url,
    retry::RetryPolicy,
    roots::{AnswerForm, RootRequest},
    send::{MAX_REDIRECTS, is_own},
};
