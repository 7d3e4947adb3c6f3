//! Collection: removes paths that the policy lets go, by whole closures, while others are read and pushed.
//!
//! [`plan()`] says which paths go, from the index alone; [`collect`] removes them in small steps, each of which looks again. The
//! argument is in `docs/decisions/0014-collection.md`.

mod batches;
mod descent;
mod disk;
mod document_kind;
mod documents;
mod error;
mod explain;
mod first;
mod going;
mod graph;
mod load;
mod order;
mod orphans;
mod outlook;
mod plan;
mod root_sizes;
mod run;
mod sweep;
mod verdict;
mod why;

pub use self::{
    disk::{disk_of, missing_on_disk},
    document_kind::{DocumentCounts, DocumentKind},
    documents::DocumentPlan,
    error::CollectError,
    explain::{fate, reasons},
    first::first_to_go,
    graph::StorageGraph,
    plan::plan,
    root_sizes::{RootSizeLimits, root_sizes},
    run::{Collected, Preview, check_clock, collect, preview},
    sweep::Swept,
    verdict::{Amount, Cause, Plan, Reason, Verdict},
    why::{RemovalPlace, Why, why},
};
pub(crate) use self::{
    documents::enter as enter_documents, going::Outlook, orphans::remove_orphaned_nars,
    outlook::outlook, why::kept_by,
};
