//! Paths that wait until they are pushed: the file they wait in, who drains it, and who fills it.

mod drain;
mod error;
mod filter;
mod hook;
mod owner;
mod queue_file;
mod schema;
mod status;
mod watch;

pub use self::{
    drain::{DrainEnd, Drainer},
    error::QueueError,
    filter::Filter,
    hook::add_from_hook,
    owner::become_owner,
    queue_file::{Queue, QueueLock},
    status::{FailingPath, QueueStatus},
    watch::watch,
};
