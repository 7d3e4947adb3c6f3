//! Compressed NARs and the directory that they are kept in.

mod by_default;
mod clients;
mod delivery;
mod prewarmed;
mod turns;
