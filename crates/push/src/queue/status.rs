//! The state of a queue.

/// The state of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Paths that wait, those that have failed among them.
    pub waiting: i64,
    /// When the oldest of them was added, in seconds since the Unix epoch.
    pub oldest: Option<i64>,
    /// The number of paths that have failed.
    pub failing: i64,
    /// The first of them.
    pub failures: Vec<FailingPath>,
}

/// A path that has failed and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingPath {
    /// The base name of the path.
    pub path: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again, in seconds since the Unix epoch.
    pub next_try: i64,
    /// The reason of the last failure.
    pub error: String,
}

/// A time in which nothing gets through, for a reason that is not that of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueOutage {
    /// Its beginning, in seconds since the Unix epoch.
    pub since: i64,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again, in seconds since the Unix epoch; `None` if only a person does.
    pub next_try: Option<i64>,
    /// True if the cache cannot be reached.
    pub is_unreachable: bool,
    /// The reason of the last failure.
    pub error: String,
}
