//! How far a command has come: one line that changes on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::output::counted;

/// How often the line on a terminal changes.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(100);

/// How often a line is written to anything else.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Progress on standard error.
pub(in crate::commands) struct ProgressLine {
    what: &'static str,
    is_terminal: bool,
    /// When a line was shown; none: the next one is shown at once.
    last: Mutex<Option<Instant>>,
}

impl ProgressLine {
    /// Shows nothing of a command that ends at once. `what` is the verb of the step: "looked at".
    pub(in crate::commands) fn new(what: &'static str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { what, is_terminal, last: Mutex::new(Some(Instant::now())) }
    }

    /// Shows the first line as soon as there is one.
    pub(in crate::commands) fn at_once(what: &'static str) -> Self {
        Self { last: Mutex::new(None), ..Self::new(what) }
    }

    /// Takes the line from a terminal, so that a message has it for itself; the next one comes at once.
    pub(in crate::commands) fn clear(&self) {
        if self.is_terminal {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
            _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    /// So many objects are done.
    pub(in crate::commands) fn show(&self, done: u64) {
        self.line(|| format!("{} {}", counted(done, "object"), self.what));
    }

    /// Returns true if a person looks on.
    pub(in crate::commands) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows a line, if it is time for another one.
    pub(in crate::commands) fn line(&self, text: impl FnOnce() -> String) {
        let interval = if self.is_terminal { TERMINAL_INTERVAL } else { LINE_INTERVAL };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < interval) {
            return;
        }
        *last = Some(Instant::now());
        let (before, after) = if self.is_terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        // There is no other place to report a failure.
        _ = write!(io::stderr().lock(), "{before}{}{after}", text());
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}
