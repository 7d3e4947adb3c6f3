//! The thread that commits orders which may be lost, when no other order has done so.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use super::open_index::{OpenIndex, lock};

/// How long orders wait for one that is committed at once.
const MAX_UNCOMMITTED_AGE: Duration = Duration::from_millis(10);

/// In one of so many such times, orders do not wait: commands beside the server find the file free now and then.
const SHARED_PART: u32 = 5;

/// The thread of one index, while there is something to commit. It does not keep the index. Clones share it.
#[derive(Clone)]
pub(super) struct CommitThread {
    pub(super) max_age: Duration,
    /// Whether it runs.
    runs: Arc<AtomicBool>,
    /// Whether orders are committed at once at the moment.
    shares: Arc<AtomicBool>,
}

impl Default for CommitThread {
    fn default() -> Self {
        Self { max_age: MAX_UNCOMMITTED_AGE, runs: Arc::default(), shares: Arc::default() }
    }
}

impl CommitThread {
    /// Has the transaction of this connection committed soon. The caller holds the connection. `false`: the caller commits it.
    pub(super) fn will_commit(&self, connection: &Arc<Mutex<Option<OpenIndex>>>) -> bool {
        if self.shares.load(SeqCst) {
            return false;
        }
        if self.runs.swap(true, SeqCst) {
            return true;
        }
        let (this, connection) = (self.clone(), Arc::downgrade(connection));
        let commits = move || {
            let mut number = 0;
            loop {
                thread::sleep(this.max_age);
                let Some(connection) = connection.upgrade() else { return };
                number += 1;
                if !this.commit(&connection, number) {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("index-commit".to_owned()).spawn(commits);
        if started.is_err() {
            self.runs.store(false, SeqCst);
        }
        started.is_ok()
    }

    /// Commits the orders of the last moment. `false`: there were none, and the thread ends.
    fn commit(&self, connection: &Mutex<Option<OpenIndex>>, number: u32) -> bool {
        let mut slot = lock(connection);
        let has_shared = self.shares.swap(number.is_multiple_of(SHARED_PART), SeqCst);
        let Some(open) = slot.as_mut().filter(|open| open.is_in_transaction) else {
            if !has_shared {
                // The next order is carried out under the same lock, and starts the next thread.
                self.shares.store(false, SeqCst);
                self.runs.store(false, SeqCst);
            }
            return has_shared;
        };
        if let Err(error) = open.commit() {
            tracing::warn!("the last changes of the index are lost, and are made again: {error}");
            *slot = None;
        }
        true
    }
}
