//! A binary cache in a directory or bucket, in Nix's own layout: read, uploaded to with verification, indexed, collected.
//!
//! [`objects`] is the directory or bucket, [`read`] answers questions from it,
//! [`index`] knows which paths are there and refer to which, [`verify`] checks stored NARs,
//! [`write`](mod@write) takes uploads, [`collect`](mod@collect) removes paths that are not kept,
//! [`retention`] says which these are, [`maintenance`] is for operators.

#![forbid(unsafe_code)]

mod blocking;
pub mod collect;
pub mod index;
pub mod maintenance;
pub mod objects;
pub mod read;
pub mod retention;
pub mod verify;
pub mod write;
