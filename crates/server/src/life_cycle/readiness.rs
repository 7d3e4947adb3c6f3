//! Whether requests can be answered truthfully, and why not.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long an answer of the backends serves others who ask. No limit of requests is in front of them.
const MAX_READINESS_AGE: Duration = Duration::from_secs(1);

/// Why a server is not ready.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServerNotReady {
    /// A configured key cannot be used.
    #[error("{0}")]
    Key(String),
    /// Clients cannot be told apart.
    #[error("{0}")]
    Access(String),
    /// The policy of a cache is not evaluated yet.
    #[error("{0}")]
    Exposure(String),
    /// Requests wait for others to be answered.
    #[error(
        "requests wait for running downloads: a limit is reached (`limits.downloads`, `limits.send_memory`)"
    )]
    Full,
    /// The store cannot be read.
    #[error("{0}")]
    Store(String),
}

/// The kinds of reasons that the backends gave last, and when.
#[derive(Default)]
pub(crate) struct ReadinessCache(Mutex<Option<(Instant, Vec<&'static str>)>>);

impl ReadinessCache {
    /// The kinds of reasons that the backends give. One caller asks them; others that come meanwhile wait for the same
    /// answer.
    pub(crate) async fn kinds(
        &self,
        ask: impl Future<Output = Vec<ServerNotReady>>,
    ) -> Vec<&'static str> {
        let mut last = self.0.lock().await;
        if let Some((at, kinds)) = &*last
            && at.elapsed() < MAX_READINESS_AGE
        {
            return kinds.clone();
        }
        let kinds = kinds(&ask.await);
        *last = Some((Instant::now(), kinds.clone()));
        kinds
    }
}

/// Each kind of reason once.
pub(crate) fn kinds(reasons: &[ServerNotReady]) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for reason in reasons {
        let kind = match reason {
            ServerNotReady::Store(_) => "the store cannot be read",
            ServerNotReady::Full => "requests wait for others to be answered",
            ServerNotReady::Key(_) => "a signing key cannot be used",
            ServerNotReady::Exposure(_) => "the policy of exposure is being evaluated",
            ServerNotReady::Access(_) => "a file of tokens cannot be used",
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}
