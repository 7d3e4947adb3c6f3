//! Compressed NARs and the directory that they are kept in.

mod clients;
mod delivery;
mod prewarmed;
