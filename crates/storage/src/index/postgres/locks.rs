//! Advisory locks of the database, which all servers of a storage share.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use rns_formats::Sha256Digest;
use tokio::{runtime::Handle, time::timeout};

use super::connections::{LOCK_TIMEOUT, MAX_ORDER_ATTEMPTS, can_be_repeated};
use crate::index::Exclusive;

/// How long a lock may take to be given back, before its connection is closed instead.
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of the lock that collectors take alone while they condemn and claim, for one transaction. Registering a root and
/// publishing take it beside others: no condition that a collector has looked at changes before it commits. Any number does
/// that no other program uses.
pub(super) const STATE_LOCK: i64 = 0x0072_6e73_0002;

/// A lock belongs to a connection, and ends with it. Paths and NARs have connections of their own: one who holds a path
/// may wait for a NAR.
pub(super) struct AdvisoryLocks {
    paths: Pool,
    nars: Pool,
}

/// Why something could not be locked.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    #[error("no connection for a lock")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("no lock")]
    Database(#[from] tokio_postgres::Error),
    #[error("another server has changed the same path for too long")]
    Timeout,
}

/// A lock that is held.
pub(super) struct HeldAdvisoryLock(Option<Object>);

impl AdvisoryLocks {
    pub(super) const fn new(paths: Pool, nars: Pool) -> Self {
        Self { paths, nars }
    }

    pub(super) async fn lock(&self, what: Exclusive<'_>) -> Result<HeldAdvisoryLock, LockError> {
        let (pool, key) = match what {
            Exclusive::Path(hash) => (&self.paths, number(hash.as_bytes()) & !1),
            Exclusive::Nar(key) => {
                (&self.nars, number(Sha256Digest::of(key.as_str().as_bytes()).as_bytes()) | 1)
            }
            // One who holds a root asks for nothing else, so it may take the connections of paths.
            Exclusive::Root(name) => {
                (&self.paths, number(Sha256Digest::of(name.as_str().as_bytes()).as_bytes()) & !1)
            }
        };
        let mut attempt = 1;
        loop {
            // Given up in the middle, the connection must not go back with the lock.
            let held = HeldAdvisoryLock(Some(pool.get().await?));
            let Some(client) = &held.0 else { return Err(LockError::Timeout) };
            let lock = async { client.execute("select pg_advisory_lock($1)", &[&key]).await };
            match timeout(LOCK_TIMEOUT, lock).await {
                Ok(Ok(_)) => return Ok(held),
                Ok(Err(error)) if attempt < MAX_ORDER_ATTEMPTS && can_be_repeated(&error) => {
                    held.close();
                    attempt += 1;
                }
                Ok(Err(error)) => {
                    held.close();
                    return Err(error.into());
                }
                Err(_) => {
                    held.close();
                    return Err(LockError::Timeout);
                }
            }
        }
    }
}

impl AdvisoryLocks {
    /// Takes the lock with this number if it is free.
    pub(super) async fn try_lock(&self, key: i64) -> Result<Option<HeldAdvisoryLock>, LockError> {
        // Given up in the middle, the connection must not go back with the lock.
        let held = HeldAdvisoryLock(Some(self.paths.get().await?));
        let Some(client) = &held.0 else { return Ok(None) };
        let asked = async { client.query_one("select pg_try_advisory_lock($1)", &[&key]).await };
        match timeout(LOCK_TIMEOUT, asked).await {
            Ok(Ok(row)) => Ok(row.get::<_, bool>(0).then_some(held)),
            Ok(Err(error)) => {
                held.close();
                Err(error.into())
            }
            Err(_) => {
                held.close();
                Err(LockError::Timeout)
            }
        }
    }
}

fn number(bytes: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    i64::from_be_bytes(first)
}

impl HeldAdvisoryLock {
    fn close(mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

impl Drop for HeldAdvisoryLock {
    fn drop(&mut self) {
        let Some(client) = self.0.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            drop(Object::take(client));
            return;
        };
        runtime.spawn(async move {
            let unlocked = async { client.execute("select pg_advisory_unlock_all()", &[]).await };
            if !matches!(timeout(UNLOCK_TIMEOUT, unlocked).await, Ok(Ok(_))) {
                drop(Object::take(client));
            }
        });
    }
}
