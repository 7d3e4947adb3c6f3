//! Paths that wait until they are pushed: the file they wait in, who drains it, and who fills it.

mod drain;
mod edit;
mod error;
mod filter;
mod hook;
mod locks;
mod outage;
mod owner;
mod queue_file;
mod schema;
mod status;
mod watch;

pub use self::{
    drain::{DrainEnd, Drainer},
    error::{QueueError, WatchError},
    filter::Filter,
    hook::add_from_hook,
    locks::QueueLock,
    owner::become_owner,
    queue_file::Queue,
    status::{FailingPath, QueueOutage, QueueStatus},
    watch::watch,
};
