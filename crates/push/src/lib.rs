//! From the local Nix store into a binary cache.
//!
//! [`Queue`] holds paths on disk that are to be pushed, [`Drainer`] pushes them, and [`watch`] and [`add_from_hook`] add new
//! ones.
//!
//! [`push()`] finds the paths of some closures that a [`PushTarget`] lacks, packs them, and uploads them so that none is visible before
//! its references.

mod body_target;
mod closure;
mod config;
mod document;
mod documents;
mod error;
mod event;
mod order;
mod pack;
mod push;
mod queue;
mod round;
mod storage_target;
mod target;
mod upstreams;

pub use self::{
    closure::closure,
    config::PushConfig,
    error::PushError,
    event::{PathOutcome, PushEvent, Summary},
    push::push,
    queue::{
        DrainEnd, Drainer, FailingPath, Filter, Queue, QueueError, QueueLock, QueueOutage,
        QueueStatus, WatchError, add_from_hook, become_owner, watch,
    },
    storage_target::StorageTarget,
    target::PushTarget,
};
