//! Steps that block, and several of them on one thread: handing over each costs more than most steps take.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::Poll,
};

use rns_cache::{MayBlock, this_thread_may_block};
use tokio::{
    runtime::Handle,
    spawn,
    task::{JoinError, spawn_blocking},
};

/// Runs a step on a thread that may block: on this one if it may, otherwise on one of the pool.
///
/// # Errors
/// When the step panics, or the runtime is shutting down.
pub(crate) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if this_thread_may_block() { Ok(step()) } else { spawn_blocking(step).await }
}

/// Runs a task whose steps block on one thread: on this one if it may block, otherwise on one of the pool. It comes to its end
/// though its caller is dropped.
///
/// # Errors
/// When the task panics, or the runtime is shutting down.
pub(crate) async fn on_one_thread<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    // The task is moved from one place to another some times.
    let task = Box::pin(task);
    if this_thread_may_block() {
        return on_this_thread(task).await;
    }
    let runtime = Handle::current();
    spawn_blocking(move || {
        let _may_block = MayBlock::for_one_task();
        runtime.block_on(task)
    })
    .await
}

/// Runs a task on this thread. A task that has to wait is spawned, so that it goes on without its caller. Most tasks end before that.
async fn on_this_thread<T: Send + 'static>(
    mut task: Pin<Box<dyn Future<Output = T> + Send>>,
) -> Result<T, JoinError> {
    let first = poll_fn(|context| {
        Poll::Ready(catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))))
    });
    match first.await {
        Ok(Poll::Ready(done)) => Ok(done),
        Ok(Poll::Pending) => spawn(task).await,
        Err(panic) => spawn(async { resume_unwind(panic) }).await,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_steps_of_a_task_share_a_thread() {
        let here = thread::current().id();
        let step = async || blocking(|| thread::current().id()).await.unwrap();
        assert_ne!(step().await, here);
        let threads = on_one_thread(async move { (step().await, step().await) }).await.unwrap();
        assert_eq!(threads.0, threads.1);
        assert_ne!(threads.0, here);
    }

    #[tokio::test]
    async fn a_thread_that_may_block_does_so_itself() {
        let _may_block = MayBlock::for_many_tasks();
        let here = thread::current().id();
        let step = async || blocking(|| thread::current().id()).await.unwrap();
        assert_eq!(step().await, here);
        assert_eq!(on_one_thread(async move { step().await }).await.unwrap(), here);
    }

    #[tokio::test]
    async fn a_task_that_waits_comes_to_its_end_without_its_caller() {
        let _may_block = MayBlock::for_many_tasks();
        let (goes_on, waiting) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel();
        let task = async move {
            waiting.await.unwrap();
            ended.send("done").unwrap();
        };
        let mut caller = Box::pin(on_one_thread(task));
        assert!(futures_util::poll!(&mut caller).is_pending());
        drop(caller);
        goes_on.send(()).unwrap();
        assert_eq!(end.await, Ok("done"));
    }

    #[tokio::test]
    async fn a_task_that_panics_where_it_was_called_is_an_error() {
        let _may_block = MayBlock::for_many_tasks();
        let panicked: Result<(), _> = on_one_thread(async { panic!("as a step may") }).await;
        assert!(panicked.unwrap_err().is_panic());
        assert_eq!(on_one_thread(async { "another one" }).await.unwrap(), "another one");
    }

    #[tokio::test]
    async fn a_thread_may_not_block_after_a_task_that_panics() {
        let panicking = on_one_thread(async { panic!("as a step may") });
        let panicked: Result<(), _> = panicking.await;
        assert!(panicked.is_err());
        let may_block = spawn_blocking(this_thread_may_block).await.unwrap();
        assert!(!may_block);
    }
}
