//! How large everything is: `--smoke` checks the harness, results of the full size are published.

/// Numbers of paths, bytes, rounds.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    /// Paths of the closure, the last of which refers to all others.
    pub(crate) closure: u64,
    /// Paths outside of the closure: narinfos are asked for them, too.
    pub(crate) others: u64,
    /// Divides the sizes of the closure's files.
    pub(crate) smaller: u64,
    /// Bytes of the huge file.
    pub(crate) huge: u64,
    /// Paths that are pushed, each of a few hundred bytes.
    pub(crate) small_paths: usize,
    /// Files of the tree of small files.
    pub(crate) small_files: u64,
    /// Passes over each subject, of which the median is reported.
    pub(crate) rounds: usize,
    /// Seconds for which wrk sends requests.
    pub(crate) wrk_seconds: u64,
    /// Narinfos that are asked for over TLS.
    pub(crate) tls_requests: usize,
    /// Seconds that nginx takes at least for a single measurement: passes are added until it does.
    pub(crate) seconds: f64,
    /// Ranges in one pass.
    pub(crate) ranges: u64,
    /// Paths in the databases of the start-up rows.
    pub(crate) databases: &'static [u64],
}

pub(crate) const FULL: Size = Size {
    name: "full",
    closure: 1500,
    others: 2000,
    smaller: 1,
    huge: 1 << 30,
    small_paths: 1500,
    small_files: 9420,
    rounds: 5,
    wrk_seconds: 3,
    tls_requests: 50_000,
    seconds: 0.5,
    ranges: 2000,
    databases: &[1_000, 100_000, 1_000_000],
};

pub(crate) const SMOKE: Size = Size {
    name: "smoke",
    closure: 200,
    others: 100,
    smaller: 8,
    huge: 96 << 20,
    small_paths: 100,
    small_files: 1500,
    rounds: 1,
    wrk_seconds: 1,
    tls_requests: 3_000,
    seconds: 0.1,
    ranges: 400,
    databases: &[1_000, 20_000],
};
