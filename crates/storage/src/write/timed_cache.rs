//! A thing that takes long to find out: a client that asks again soon gets the same.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, task::JoinError};

/// How long it is told, as a multiple of the time that it took to find it out: a small part of one processor at most.
const MAX_AGE_FACTOR: u32 = 20;

/// The thing, and when and how quickly it was found out.
struct Timed<T> {
    value: T,
    found: Instant,
    took: Duration,
}

/// The thing as it was found out last. Clones share it. One finds it out at a time, and others wait for it.
pub(super) struct TimedCache<T>(Arc<Mutex<Option<Timed<T>>>>);

impl<T> Clone for TimedCache<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for TimedCache<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + 'static> TimedCache<T> {
    /// The thing, found out by `find` where that was too long ago.
    ///
    /// The work goes on when the client that waits for it leaves: others have the use of it, and do not begin it again.
    pub(super) async fn get<E: Send + 'static>(
        &self,
        find: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Result<T, E>, JoinError> {
        let mut known = Arc::clone(&self.0).lock_owned().await;
        if let Some(known) = &*known
            && known.found.elapsed() < known.took * MAX_AGE_FACTOR
        {
            return Ok(Ok(known.value.clone()));
        }
        tokio::spawn(async move {
            let begun = Instant::now();
            let value = find.await?;
            let took = begun.elapsed();
            *known = Some(Timed { value: value.clone(), found: Instant::now(), took });
            Ok(value)
        })
        .await
    }
}

impl<T> fmt::Debug for TimedCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TimedCache")
    }
}
