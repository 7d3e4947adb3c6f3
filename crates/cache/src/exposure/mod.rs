//! Which store paths are shown, as configuration says it. Backends find out which paths these are.

mod pattern;
mod policy;

pub use self::{
    pattern::{Pattern, PatternError, glob_matches},
    policy::ExposurePolicy,
};
