//! Collection: what the policy lets go is removed, by whole closures, while everything is being read and pushed.
//!
//! [`plan()`] says what goes, from the index alone; [`collect`] removes it in small steps, each of which looks again. The
//! argument is in `docs/decisions/0014-collection.md`.

mod batches;
mod error;
mod graph;
mod load;
mod orphans;
mod plan;
mod run;
mod sweep;
mod why;

pub use self::{
    error::CollectError,
    graph::Graph,
    plan::{Amount, Cause, Plan, Reason, Verdict, plan},
    run::{Collected, Preview, collect, preview},
    sweep::Swept,
    why::{Why, why},
};
