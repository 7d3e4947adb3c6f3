//! The thread that commits orders which were acknowledged before, when no other order has done so.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use super::{
    open_index::{LOST, OpenIndex},
    spinning_lock::lock,
    wait_flag::WaitFlag,
};

/// How long orders wait for one that is committed at once.
const MAX_UNCOMMITTED_AGE: Duration = Duration::from_millis(10);

/// In one of so many such times, orders do not wait: programs that do not say that they wait find the file free now and then.
const SHARED_PART: u32 = 20;

/// For so many such times orders do not wait after another process has said that it waits: it often has more to write.
const SHARED_TIMES: u32 = 5;

/// After so many such times without an order the thread ends. To start it costs as much as a few orders.
const MAX_IDLE_TIMES: u32 = 20;

/// The thread of one index, while there is something to commit. It does not keep the index. Clones share it.
#[derive(Clone)]
pub(super) struct CommitThread {
    pub(super) max_age: Duration,
    /// Whether it runs.
    runs: Arc<AtomicBool>,
    /// Whether orders are committed at once at the moment.
    shares: Arc<AtomicBool>,
    wait_flag: Arc<WaitFlag>,
}

impl CommitThread {
    /// The one of the index in this file.
    pub(super) fn of(index: &Path) -> Self {
        Self {
            max_age: MAX_UNCOMMITTED_AGE,
            runs: Arc::default(),
            shares: Arc::default(),
            wait_flag: Arc::new(WaitFlag::beside(index)),
        }
    }

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
            let (mut number, mut idle, mut shared_until) = (0_u32, 0, 0);
            while idle <= MAX_IDLE_TIMES {
                thread::sleep(this.max_age);
                let Some(connection) = connection.upgrade() else { return };
                number = number.wrapping_add(1);
                if this.wait_flag.is_raised() {
                    shared_until = number.wrapping_add(SHARED_TIMES);
                }
                let shares = number < shared_until || number.is_multiple_of(SHARED_PART);
                let has_committed = this.commit(&connection, shares, idle == MAX_IDLE_TIMES);
                idle = if has_committed { 0 } else { idle + 1 };
            }
        };
        let started = thread::Builder::new().name("index-commit".to_owned()).spawn(commits);
        if started.is_err() {
            self.runs.store(false, SeqCst);
        }
        started.is_ok()
    }

    /// Commits the orders of the last moment. Returns true if there were some. After `is_last` without one the thread ends.
    fn commit(&self, connection: &Mutex<Option<OpenIndex>>, shares: bool, is_last: bool) -> bool {
        let mut slot = lock(connection);
        self.shares.store(shares, SeqCst);
        let Some(open) = slot.as_mut().filter(|open| open.is_in_transaction) else {
            if is_last {
                // The next order is carried out under the same lock, and starts the next thread.
                self.shares.store(false, SeqCst);
                self.runs.store(false, SeqCst);
            }
            return false;
        };
        if let Err(error) = open.commit() {
            tracing::warn!("{LOST}: {error}");
            *slot = None;
        }
        true
    }
}
