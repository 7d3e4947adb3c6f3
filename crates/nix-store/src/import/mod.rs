//! Uploads into the store, through the daemon.
//!
//! - `config`: how much, where, for how long
//! - `spool`: NARs that wait for their narinfo; `spooled_upload`: one on its way there
//! - `daemon_link`: connections to the daemon, on which paths are held and made valid
//! - `refusal`: the meaning of a daemon's refusal to a client and to the operator
//! - `kept`: the paths that one cache keeps from being collected; `kept_by_cache`: the same of all caches
//! - `holding`: many paths held at once
//! - `disk_room`: room on the disk, for which pushed paths go before their time; `least_recent`: in which order
//! - `imports`: from a narinfo to a valid path with a root
//! - `documents`: logs, realisations and build traces
//! - `target`: the store as pushers see and change it; `roots`: roots that they set

mod config;
mod daemon_link;
mod disk_room;
mod documents;
mod holding;
mod imports;
mod kept;
mod kept_by_cache;
mod least_recent;
mod refusal;
mod roots;
mod spool;
mod spooled_upload;
mod target;

pub use self::{config::ImportConfig, imports::Imports, spool::Spool, target::StoreTarget};
