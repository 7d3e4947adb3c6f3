//! Paths that wait until they are pushed: the file they wait in, who drains it, and who fills it.

mod drain;
mod error;
mod filter;
mod queue_file;
mod schema;
mod watch;

pub use self::{
    drain::{DrainEnd, Drainer},
    error::QueueError,
    filter::Filter,
    queue_file::{FailingPath, Queue, QueueLock, QueueStatus},
    watch::watch,
};
