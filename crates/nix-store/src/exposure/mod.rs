//! The exposure policy: an adapter around the local store that shows only a part of it.
//!
//! A policy exposes a set of rows that is closed under references, evaluated against the database alone, kept in memory and
//! brought up to date as database and roots change. Each lookup of the adapter asks that set first, in one place
//! (`lookup`), so that clients cannot tell a hidden path from a missing one.
//!
//! - `exposures`: the policies of a store that are in use; `cache`, `lookup`: the adapter and its lookups
//! - `roots`, `root_memory`, `directories`: where closures begin, and whether that has changed; `source`: the questions to the database
//! - `evaluate`, with `graph` for closures and `scan` for whole stores: from the policy to the set (`set`, `outcome`)
//! - `exposed_paths`, `refresh`, `rounds`, `watch`: the set, brought up to date for each question, and by itself
//! - `signed`, `verified`: signatures, checked when they matter
//! - `report`: texts for the operator

mod cache;
mod directories;
mod evaluate;
mod exposed_paths;
mod exposures;
mod graph;
mod lookup;
mod outcome;
mod refresh;
mod report;
mod root_memory;
mod roots;
mod rounds;
mod scan;
mod set;
mod signed;
mod source;
mod verified;
mod watch;

pub use self::{cache::ExposedCache, exposures::Exposures};
