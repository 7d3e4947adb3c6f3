//! Roots, which keep paths and all that these need.
//!
//! - `rooted_cache`: [`RootedCache`], the orders and questions about them
//! - `revise`: the next revision of a root; `rules`: how long the configuration lets it live
//! - `freed`: the space that would be free without a root
//! - `outlook`: the paths that would go now, and why one stays
//! - `document`: the revisions of a root as they are stored

mod document;
mod freed;
mod outlook;
mod revise;
mod rooted_cache;
mod rules;

pub use self::{
    document::{RootDocumentError, parse_revisions, write_revisions},
    freed::{ClosureGraph, freed_by_roots},
    outlook::{AmountOf, DryRun, GoingPath, KeepReason, WhyKept},
    rooted_cache::{
        FreedByRoot, MissingPath, NewRoot, RootError, RootLifetime, RootPath, RootRevision,
        RootSizes, RootSummary, RootedCache, SetRoot,
    },
    rules::{RootPattern, RootPatternError, RootRule},
};
