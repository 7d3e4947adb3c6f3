//! The questions that take more than a row: one file each.

mod debuginfo;
mod files;
mod listing;
mod log;
mod nar_index;
mod realisation;
mod registered;

pub(crate) use self::{debuginfo::debug_info, listing::listing_of, log::derivation_of};
