//! Chunks that are made by asynchronous work: a task makes one while the one before it is on its way.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use rns_cache::{Asker, CacheError, Chunks, asker, on_behalf_of};
use tokio::task::JoinHandle;

/// Work that makes chunks.
pub(super) trait Steps: Send + 'static {
    /// The next chunk, never an empty one; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, CacheError>> + Send;
}

/// The chunks that some work makes, on behalf of the same client to the end. Dropping them ends the work.
pub(super) struct Stepping<S> {
    task: Option<JoinHandle<StepResult<S>>>,
    asker: Asker,
}

/// The work, and the result of its last step.
type StepResult<S> = (S, Result<Option<Bytes>, CacheError>);

impl<S: Steps> Stepping<S> {
    pub(super) fn start(work: S) -> Self {
        Self::step(work, asker())
    }

    fn step(mut work: S, asker: Asker) -> Self {
        let step = async move {
            let made = work.next().await;
            (work, made)
        };
        Self { task: Some(tokio::spawn(on_behalf_of(asker, step))), asker }
    }
}

impl<S: Steps> Chunks for Stepping<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CacheError>>> {
        let Some(task) = &mut self.task else { return Poll::Ready(None) };
        let made = ready!(Pin::new(task).poll(cx));
        self.task = None;
        let Ok((work, made)) = made else {
            return Poll::Ready(Some(Err(CacheError::ShuttingDown)));
        };
        if matches!(made, Ok(Some(_))) {
            *self = Self::step(work, self.asker);
        }
        Poll::Ready(made.transpose())
    }
}

impl<S> Drop for Stepping<S> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
