//! Compressed NARs and the directory that they are kept in.

mod clients;
pub(crate) mod delivery;
mod prewarmed;
