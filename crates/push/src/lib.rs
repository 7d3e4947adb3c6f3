//! From the local Nix store into a binary cache.
//!
//! [`Queue`] holds paths on disk that are to be pushed, [`Drainer`] pushes them, and [`watch`] finds new ones.
//!
//! [`push()`] finds out what a [`Target`] lacks of some closures, packs it, and uploads it so that nothing is visible before
//! what it refers to.

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
