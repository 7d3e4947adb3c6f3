//! Finds faults between a Nix client and a binary cache, and says how to mend them.
//!
//! A [`Check`] looks at one thing of its subject and never at the result of another, within a time of its own. Its
//! [`Outcome`] is a fact, findings, or the reason for which it could not look. A [`DoctorReport`] holds all of them.

#![forbid(unsafe_code)]

pub mod cache;
mod check;
mod finding;
mod finding_id;
pub mod machine;
mod outcome;
mod report;

pub use self::{
    check::{Check, run_all},
    finding::Finding,
    finding_id::FindingId,
    outcome::Outcome,
    report::{DoctorReport, Hint, Unchecked},
};
