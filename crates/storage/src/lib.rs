//! A binary cache in a directory or bucket, in Nix's own layout: read, uploaded to with verification, indexed, collected.
//!
//! [`objects`] is the directory or bucket, [`verify`] checks what streams in.

#![forbid(unsafe_code)]

pub mod objects;
pub mod verify;
