//! Uploads into the store, through the daemon.
//!
//! - `config`: how much, where, for how long
//! - `spool`: NARs that wait for their narinfo
//! - `daemon_link`: connections to the daemon, on which paths are held and made valid
//! - `refusal`: the meaning of a daemon's refusal to a client and to the operator
//! - `kept`: the roots of pushed paths
//! - `imports`: from a narinfo to a valid path with a root
//! - `documents`: logs and realisations
//! - `target`: the store as pushers see and change it

mod config;
mod daemon_link;
mod documents;
mod imports;
mod kept;
mod refusal;
mod spool;
mod target;

pub use self::{config::ImportConfig, imports::Imports, spool::Spool, target::StoreTarget};
