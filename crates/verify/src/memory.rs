//! Memory for decoders: all uploads together have one budget, and wait for their share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A budget in bytes. Those who wait have their turn in the order in which they came.
pub struct DecoderMemory {
    state: Mutex<MemoryState>,
    changed: Condvar,
}

#[derive(Default)]
struct MemoryState {
    budget: u64,
    used: u64,
    peak: u64,
    next_ticket: u64,
    serving: u64,
}

/// A part of the budget; dropped, it is given back.
pub(crate) struct MemoryShare {
    memory: Arc<DecoderMemory>,
    bytes: u64,
}

impl DecoderMemory {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Arc<Self> {
        let state = MemoryState { budget: bytes, ..MemoryState::default() };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Changes the budget. Shares that are out stay; those who wait get theirs when it fits.
    pub fn resize(&self, bytes: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).budget = bytes;
        self.changed.notify_all();
    }

    /// The most that was ever in use at the same time, in bytes.
    pub fn peak(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).peak
    }

    /// Waits for so many bytes. Blocks. A need beyond the budget gets all of it for itself.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> MemoryShare {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        while state.serving != ticket || state.used + bytes.min(state.budget) > state.budget {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = bytes.min(state.budget);
        state.serving += 1;
        state.used += bytes;
        state.peak = state.peak.max(state.used);
        self.wake_waiting(state);
        MemoryShare { memory: Arc::clone(self), bytes }
    }

    /// The same where nothing has to be waited for.
    pub(crate) fn try_take(self: &Arc<Self>, bytes: u64) -> Option<MemoryShare> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_waiting() || state.used + bytes > state.budget {
            return None;
        }
        state.used += bytes;
        state.peak = state.peak.max(state.used);
        Some(MemoryShare { memory: Arc::clone(self), bytes })
    }

    /// Wakes the threads that wait for memory, after a change. Mostly there are none, and a system call is spared.
    fn wake_waiting(&self, state: MutexGuard<'_, MemoryState>) {
        let has_waiting = state.has_waiting();
        drop(state);
        if has_waiting {
            self.changed.notify_all();
        }
    }
}

impl MemoryState {
    /// Returns true if a thread with a ticket waits for its turn.
    const fn has_waiting(&self) -> bool {
        self.serving != self.next_ticket
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        let mut state = self.memory.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.used -= self.bytes;
        self.memory.wake_waiting(state);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_the_budget_is_ever_in_use() {
        let memory = DecoderMemory::new(10);
        thread::scope(|scope| {
            for number in 0..64 {
                let memory = &memory;
                scope.spawn(move || {
                    let share = memory.take(number % 13);
                    thread::yield_now();
                    drop(share);
                });
            }
        });
        assert_eq!(memory.peak(), 10, "what is larger than the budget has all of it");
        assert_eq!(memory.state.lock().unwrap().used, 0);
    }

    #[test]
    fn a_budget_that_changes_is_obeyed_by_those_who_wait() {
        let memory = DecoderMemory::new(10);
        let first = memory.take(8);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| memory.take(8));
            memory.resize(16);
            drop((waiting.join().unwrap(), first));
        });
        let first = memory.take(16);
        memory.resize(4);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| memory.take(16));
            drop(first);
            // All of the smaller budget, and no more.
            assert_eq!(waiting.join().unwrap().bytes, 4);
        });
    }
}
