//! Lines on their way to standard error. Logging never waits for the reader: lines that do not fit are counted and lost.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

use super::budget::LineBudget;

/// Lines that wait, in bytes.
const MAX_QUEUED_BYTES: usize = 1 << 20;

/// The interval of messages about lines that were left out.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// How long the end of the program waits for its last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The lines. Clones share them.
#[derive(Clone, Default)]
pub(super) struct LogQueue(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<LineQueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct LineQueueState {
    lines: Vec<u8>,
    lost: u64,
    /// The lines that were taken off are being written.
    is_writing: bool,
}

/// Waits at its end for the lines that are still to be written, but not for ever.
#[must_use]
pub(crate) struct Flush(LogQueue);

impl LogQueue {
    /// Starts the thread that writes. It reads no environment, so it may be there when variables are taken out of that.
    pub(super) fn start(
        mut target: impl Write + Send + 'static,
        budget: LineBudget,
    ) -> io::Result<Self> {
        let this = Self::default();
        let queue = this.clone();
        let write = move || {
            let mut told = Instant::now();
            loop {
                let lines = queue.next();
                // A failure here cannot be logged.
                _ = target.write_all(&lines);
                queue.written();
                if told.elapsed() >= TELL_INTERVAL {
                    told = Instant::now();
                    queue.tell_lost();
                    budget.tell_left_out();
                }
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(this)
    }

    pub(super) fn flush_at_end(&self) -> Flush {
        Flush(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, LineQueueState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that wait; returns without any after a while.
    fn next(&self) -> Vec<u8> {
        let state = self.state();
        let is_empty = |state: &mut LineQueueState| state.lines.is_empty();
        let waited = self.0.changed.wait_timeout_while(state, TELL_INTERVAL, is_empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        mem::take(&mut state.lines)
    }

    fn written(&self) {
        self.state().is_writing = false;
        self.0.changed.notify_all();
    }

    fn tell_lost(&self) {
        let lost = mem::take(&mut self.state().lost);
        if lost > 0 {
            tracing::warn!("{lost} lines of the log were lost: standard error is read too slowly");
        }
    }
}

impl Write for LogQueue {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.lines.len() + line.len() > MAX_QUEUED_BYTES {
            state.lost += 1;
        } else {
            state.lines.extend_from_slice(line);
        }
        drop(state);
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let is_busy = |state: &mut LineQueueState| state.is_writing || !state.lines.is_empty();
        drop(self.0.0.changed.wait_timeout_while(self.0.state(), FLUSH_TIMEOUT, is_busy));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn logging_does_not_wait_for_a_reader() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut queue = LogQueue::start(ours, LineBudget::default()).unwrap();
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..8192 {
            queue.write_all(line.as_bytes()).unwrap();
        }
        let lost = queue.state().lost;
        assert!(lost > 4096 && queue.state().lines.len() <= MAX_QUEUED_BYTES, "{lost}");
        drop(queue.flush_at_end());
        // Lines that were not lost come out whole.
        let mut lines = BufReader::new(theirs).lines();
        for _ in lost..8192 {
            assert_eq!(lines.next().unwrap().unwrap().len(), 1023);
        }
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut queue = LogQueue::start(ours, LineBudget::default()).unwrap();
        let flush = queue.flush_at_end();
        queue.write_all(b"the end\n").unwrap();
        drop(flush);
        assert!(!queue.state().is_writing && queue.state().lines.is_empty());
        let mut line = String::new();
        BufReader::new(theirs).read_line(&mut line).unwrap();
        assert_eq!(line, "the end\n");
    }
}
