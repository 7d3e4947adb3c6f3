//! From the local Nix store into a binary cache.
//!
//! [`Queue`] holds paths on disk that are to be pushed, [`Drainer`] pushes them, and [`watch`] finds new ones.
//!
//! [`push()`] finds the paths of some closures that a [`Target`] lacks, packs them, and uploads them so that none is visible before
//! its references.

mod closure;
mod error;
mod order;
mod pack;
mod push;
mod queue;
mod storage_target;
mod target;
mod upstreams;

pub use self::{
    closure::closure,
    error::PushError,
    push::{Event, Outcome, PushConfig, Summary, push},
    queue::{
        DrainEnd, Drainer, FailingPath, Filter, Queue, QueueError, QueueLock, QueueStatus, watch,
    },
    storage_target::StorageTarget,
    target::Target,
    upstreams::present_at,
};
