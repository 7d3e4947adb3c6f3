//! One line about the server's condition, for the service manager. The log has it from the code
//! that notices first.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::life_cycle::{state::ServerState, systemd};

/// How often the condition is looked at, and how often while it is bad.
const STATUS_POLL_INTERVAL: Duration = Duration::from_secs(10);
const NOT_READY_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Follows the condition of a server.
pub(crate) struct Status {
    state: Arc<ServerState>,
    /// The addresses and the store directory.
    place: String,
    /// Problems that keep requests from being answered.
    problems: Vec<String>,
    next_look: Instant,
}

impl Status {
    pub(crate) async fn new(state: Arc<ServerState>, urls: &[String]) -> Self {
        let place = format!("{} on {}", state.store_dir(), urls.join(", "));
        let mut status = Self { state, place, problems: Vec::new(), next_look: Instant::now() };
        status.look().await;
        status
    }

    /// The line.
    pub(crate) fn text(&self) -> String {
        match self.problems.first() {
            None => format!("serving {}", self.place),
            Some(problem) => format!("not ready to serve {}: {problem}", self.place),
        }
    }

    /// Looks at the condition when it is time to, and returns after that.
    pub(crate) async fn follow(&mut self) {
        tokio::time::sleep_until(self.next_look.into()).await;
        let before = self.text();
        self.look().await;
        let now = self.text();
        if now != before {
            systemd::status(&now);
        }
    }

    async fn look(&mut self) {
        let problems: Vec<String> = match self.state.readiness().await {
            Ok(()) => Vec::new(),
            Err(reasons) => reasons.iter().map(ToString::to_string).collect(),
        };
        self.next_look = Instant::now()
            + if problems.is_empty() { STATUS_POLL_INTERVAL } else { NOT_READY_POLL_INTERVAL };
        self.problems = problems;
    }
}
