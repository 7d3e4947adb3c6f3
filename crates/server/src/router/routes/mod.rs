//! One file for each kind of thing that can be asked for.

pub(crate) mod cache_config;
pub(crate) mod cache_info;
pub(crate) mod debuginfo;
pub(crate) mod health;
pub(crate) mod listing;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod nar;
pub(crate) mod narinfo;
pub(crate) mod page;
pub(crate) mod pubkey;
pub(crate) mod realisation;
pub(crate) mod roots;
pub(crate) mod sample_path;
pub(crate) mod serve;
pub(crate) mod version;
