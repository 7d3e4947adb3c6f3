//! The named caches: which one a request is for, its keys, and how a reload exchanges them.

pub(crate) mod cache;
pub(crate) mod config;
pub(crate) mod copies;
pub mod keys;
pub(crate) mod outage;
pub(crate) mod pending;
pub(crate) mod registry;
pub(crate) mod reload;
pub(crate) mod scoped;
pub mod signing;
pub(crate) mod uploads;
pub(crate) mod watched_files;
