//! A lock that is mostly free again before a thread could have slept.

use std::{
    hint,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

/// How long a thread looks for the lock to be free before it sleeps: most orders take less time than to be woken.
const LOCK_SPIN: Duration = Duration::from_micros(50);

/// Locks the mutex. Blocks for as long as another thread holds it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let end = Instant::now() + LOCK_SPIN;
    loop {
        match mutex.try_lock() {
            Ok(held) => return held,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if Instant::now() > end => break,
            Err(TryLockError::WouldBlock) => hint::spin_loop(),
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
