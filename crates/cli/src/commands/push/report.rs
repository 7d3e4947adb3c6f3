//! The report of a push: a bar on a terminal, a line for each path elsewhere, or JSON.

use std::sync::{Mutex, OnceLock, PoisonError};

use rns_cache::HumanBytes;
use rns_formats::{PathInfo, StoreDir};
use rns_push::{PathOutcome, PushError, PushEvent, Summary};
use serde_json::json;

use crate::{
    commands::progress::ProgressLine,
    output::{counted, print, tell},
};

/// Characters of the bar.
const BAR_WIDTH: usize = 24;

/// The form of messages about success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Style {
    /// A line for people.
    Lines,
    /// An object for programs.
    Json,
    /// Nothing.
    Quiet,
}

impl Style {
    /// The form that flags name, of which there is at most one.
    pub(in crate::commands) const fn of_flags(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Lines,
        }
    }
}

/// The report of one push.
pub(super) struct PushReport {
    style: Style,
    remedy: OnceLock<&'static str>,
    store_dir: StoreDir,
    progress: Mutex<Option<ProgressLine>>,
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    planned: usize,
    done: usize,
    planned_bytes: u64,
    done_bytes: u64,
    sent: u64,
}

impl PushReport {
    pub(super) fn new(style: Style, store_dir: StoreDir) -> Self {
        let progress = (style != Style::Quiet).then(|| ProgressLine::at_once("pushed"));
        let (progress, remedy) = (Mutex::new(progress), OnceLock::new());
        Self { style, remedy, store_dir, progress, counts: Mutex::default() }
    }

    /// The next step of the user after the first failure that has one.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        self.remedy.get().copied()
    }

    /// Tells of an event, where that is wanted.
    pub(super) fn hear(&self, event: &PushEvent<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            PushEvent::Planned(paths, bytes) => {
                (counts.planned, counts.planned_bytes) = (*paths, *bytes)
            }
            PushEvent::Settled(info, outcome) => {
                if let PathOutcome::Pushed(sent) = outcome {
                    counts.sent += sent;
                }
                if matches!(outcome, PathOutcome::Pushed(_) | PathOutcome::Failed(_)) {
                    counts.done += 1;
                    counts.done_bytes += info.nar_size;
                }
                self.settled(info, outcome);
            }
        }
        let now = *counts;
        drop(counts);
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shown = |progress: &&ProgressLine| progress.is_terminal() && now.planned > 0;
        if let Some(progress) = progress.as_ref().filter(is_shown) {
            progress.line(|| now.line());
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        drop(self.progress.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn settled(&self, info: &PathInfo, outcome: &PathOutcome) {
        let path = self.store_dir.print(&info.path);
        if let PathOutcome::Failed(error) = outcome
            && let Some(remedy) = error.remedy()
        {
            _ = self.remedy.set(remedy);
        }
        if self.style == Style::Json {
            let size = info.nar_size;
            let line = match outcome {
                PathOutcome::Pushed(sent) => {
                    json!({ "path": path, "narSize": size, "outcome": "pushed", "sent": sent })
                }
                PathOutcome::Present => {
                    json!({ "path": path, "narSize": size, "outcome": "present" })
                }
                PathOutcome::Upstream => {
                    json!({ "path": path, "narSize": size, "outcome": "upstream" })
                }
                PathOutcome::Failed(error) => {
                    let error = error.to_string();
                    json!({ "path": path, "narSize": size, "outcome": "failed", "error": error })
                }
            };
            self.make_room();
            // A reader that has seen enough does not stop the push.
            _ = print(&format!("{line}\n"));
            return;
        }
        match outcome {
            // The summary counts them; the reason was said with another path.
            PathOutcome::Failed(PushError::NotTried) => {}
            PathOutcome::Failed(error) => {
                self.make_room();
                tell(&format!("{path} was not pushed: {error}"));
            }
            PathOutcome::Pushed(sent) if self.style == Style::Lines && !self.is_at_terminal() => {
                _ = print(&format!("pushed {path} ({})\n", HumanBytes(*sent)));
            }
            PathOutcome::Pushed(_) | PathOutcome::Present | PathOutcome::Upstream => {}
        }
    }

    /// Takes the bar from the line of a message.
    fn make_room(&self) {
        if let Some(bar) = self.progress.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            bar.clear();
        }
    }

    fn is_at_terminal(&self) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.as_ref().is_some_and(ProgressLine::is_terminal)
    }
}

impl Counts {
    fn line(&self) -> String {
        let part = self.done_bytes as f64 / self.planned_bytes.max(1) as f64;
        let filled = ((part * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
        let bar = "#".repeat(filled) + &"-".repeat(BAR_WIDTH - filled);
        let Self { planned, done, sent, .. } = self;
        format!("[{bar}] {done} of {planned} paths, {} sent", HumanBytes(*sent))
    }
}

/// One line about a whole push.
pub(super) fn summary(summary: &Summary) -> String {
    let Summary { pushed, bytes, present, upstream, failed, documents, .. } = summary;
    let mut text = format!(
        "{} pushed ({}), {present} already there",
        counted(*pushed as u64, "path"),
        HumanBytes(*bytes)
    );
    if *upstream > 0 {
        text.push_str(&format!(", {upstream} at an upstream"));
    }
    if *documents > 0 {
        text.push_str(&format!(", {} sent", counted(*documents as u64, "document")));
    }
    if *failed > 0 {
        text.push_str(&format!(", {failed} did not get through"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_can_be_read() {
        let half = Counts { planned: 4, done: 2, planned_bytes: 100, done_bytes: 50, sent: 2048 };
        assert_eq!(half.line(), "[############------------] 2 of 4 paths, 2.0 KiB sent");
    }
}
