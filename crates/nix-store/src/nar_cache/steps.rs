//! Chunks that are made by asynchronous work: a task makes one while the one before it is on its way.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use rns_cache::{CacheError, Chunks};
use tokio::task::JoinHandle;

/// Work that makes chunks.
pub(super) trait Steps: Send + 'static {
    /// The next chunk, never an empty one; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, CacheError>> + Send;
}

/// The chunks that some work makes. Dropping them ends the work.
pub(super) struct Stepping<S>(Option<JoinHandle<Step<S>>>);

/// The work, and what its last step made.
type Step<S> = (S, Result<Option<Bytes>, CacheError>);

impl<S: Steps> Stepping<S> {
    pub(super) fn start(mut work: S) -> Self {
        Self(Some(tokio::spawn(async move {
            let made = work.next().await;
            (work, made)
        })))
    }
}

impl<S: Steps> Chunks for Stepping<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        let Some(task) = &mut self.0 else { return Poll::Ready(None) };
        let made = ready!(Pin::new(task).poll(cx));
        self.0 = None;
        let Ok((work, made)) = made else {
            return Poll::Ready(Some(Err(CacheError::ShuttingDown)));
        };
        if matches!(made, Ok(Some(_))) {
            *self = Self::start(work);
        }
        Poll::Ready(made.transpose())
    }
}

impl<S> Drop for Stepping<S> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
