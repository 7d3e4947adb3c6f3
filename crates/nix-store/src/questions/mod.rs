//! The questions that a store answers: one struct each. They share [`crate::store::StoreParts`].
//!
//! - `row_reader`: the row of a hash part, by the database; `rows`: the same with a memory in front
//! - `nars`: opening and reading NARs, through `nar_files`; `nar_blob`: as the
//!   trait hands them out; `path_infos`: rows with their sizes
//! - `nar_index`, `debuginfo`: indexes over all paths, made at the first question
//! - `listing`, `log`, `realisation`, `built_outputs`, `files`, `registered`, `closures`;
//!   `root_sizes`: the space that would be free without a root

mod built_outputs;
mod closures;
mod debuginfo;
mod files;
mod listing;
mod log;
mod nar_blob;
mod nar_files;
mod nar_index;
mod nars;
mod path_infos;
mod realisation;
mod registered;
mod root_sizes;
mod row_reader;
mod rows;

pub use self::built_outputs::BuiltOutputs;
pub(crate) use self::{
    closures::{ClosureFinder, Closures},
    debuginfo::{DebugFiles, debug_info},
    files::StoreFiles,
    listing::listing_of,
    log::{BuildLogs, derivation_of},
    nar_blob::nar_answer,
    nar_index::NarHashes,
    nars::Nars,
    path_infos::{PathInfos, record},
    realisation::Realisations,
    registered::RegisteredPaths,
    root_sizes::root_sizes,
    rows::PathRows,
};
