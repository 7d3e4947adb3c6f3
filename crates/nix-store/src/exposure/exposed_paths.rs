//! The paths of the store that one policy exposes, kept up to date.
//!
//! Questions look into an immutable snapshot and never wait, except for a miss: that has to be true, so it waits for a check
//! that began after the question was asked.

use std::{
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use rns_cache::{ExposurePolicy, ExposureStats};
use tokio::sync::Notify;

use super::{
    evaluate::Evaluation, outcome::SetChange, report::ExposureReport, rounds::Rounds, set::Set,
    source::DatabaseSource, verified::VerifiedSignatures,
};

/// The paths that one policy exposes.
pub(crate) struct ExposedPaths {
    pub(super) policy: Arc<ExposurePolicy>,
    pub(super) source: DatabaseSource,
    current: ArcSwapOption<ExposedSnapshot>,
    /// The state of the database that the snapshot is known to be of; 0 when it is not known.
    generation: AtomicU64,
    /// Shared by all policies of a store: no two snapshots have the same number.
    epochs: Arc<AtomicU64>,
    pub(super) evaluation: Arc<tokio::sync::Mutex<Evaluation>>,
    pub(super) rounds: Mutex<Rounds>,
    /// So that everything is read by one at a time.
    pub(super) anew: tokio::sync::Mutex<()>,
    pub(super) numbers: Mutex<ExposureStats>,
    pub(super) report: Mutex<ExposureReport>,
    pub(super) verified: VerifiedSignatures,
    /// Whether a task looks for changes.
    pub(super) watched: Arc<AtomicBool>,
    /// Everything should be read again.
    pub(super) rescan: Arc<Notify>,
}

/// The exposed paths at a moment.
pub(super) struct ExposedSnapshot {
    pub(super) set: Set,
    pub(super) epoch: u64,
}

impl ExposedPaths {
    pub(super) fn new(
        policy: ExposurePolicy,
        source: DatabaseSource,
        epochs: Arc<AtomicU64>,
    ) -> Arc<Self> {
        let policy = Arc::new(policy);
        let evaluation = Evaluation::new(Arc::clone(&policy), source.clone());
        Arc::new(Self {
            policy,
            current: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            epochs,
            evaluation: Arc::new(tokio::sync::Mutex::new(evaluation)),
            rounds: Mutex::default(),
            anew: tokio::sync::Mutex::default(),
            numbers: Mutex::default(),
            report: Mutex::default(),
            verified: VerifiedSignatures::new(source.limit),
            watched: Arc::default(),
            rescan: Arc::default(),
            source,
        })
    }

    /// The exposed paths, as far as they are known.
    pub(super) fn snapshot(&self) -> Option<Arc<ExposedSnapshot>> {
        self.current.load_full()
    }

    /// Whether a path with this beginning of its hash part is exposed. `None` while that is not known.
    pub(super) fn exposes(&self, key: u64) -> Option<bool> {
        Some(self.current.load().as_ref()?.set.has_key(key))
    }

    /// The number of the snapshot; another one at each question while there is none.
    pub(super) fn epoch(&self) -> u64 {
        self.current.load().as_ref().map_or_else(|| self.next_epoch(), |snapshot| snapshot.epoch)
    }

    /// One number for a state of the database and of this set: while it is the same, so are all exposed rows. `None`
    /// while the set is not known, and where one number cannot tell the states apart any more.
    pub(super) fn generation_with(&self, database: NonZeroU64) -> Option<NonZeroU64> {
        let epoch = u32::try_from(self.current.load().as_ref()?.epoch).ok()?;
        let database = u32::try_from(database.get()).ok()?;
        NonZeroU64::new(u64::from(epoch) << 32 | u64::from(database))
    }

    fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn numbers(&self) -> ExposureStats {
        *lock(&self.numbers)
    }

    /// Whether the snapshot is known to be of this state of the database, where nothing else decides.
    pub(super) fn is_of(&self, generation: u64) -> bool {
        self.policy.roots.is_none()
            && generation != 0
            && self.generation.load(Ordering::Acquire) == generation
    }

    /// Shows the result of an evaluation.
    pub(super) fn publish(&self, evaluation: &Evaluation, change: SetChange) {
        let before = self.current.load();
        let epoch = match (&*before, change) {
            (Some(_), SetChange::None) => None,
            // A rendered narinfo leaves out a deriver only, which may be exposed now.
            (Some(before), SetChange::Grown { derivations: false }) => Some(before.epoch),
            (Some(before), SetChange::Other) if before.set.is_same(evaluation.set()) => None,
            _ => Some(self.next_epoch()),
        };
        if let Some(epoch) = epoch {
            self.current
                .store(Some(Arc::new(ExposedSnapshot { set: evaluation.set().clone(), epoch })));
        }
        // After the snapshot: who sees the number sees the paths.
        self.generation.store(evaluation.generation(), Ordering::Release);
    }

    /// The snapshot may not be up to date.
    pub(super) fn doubt(&self) {
        self.generation.store(0, Ordering::Release);
    }

    /// Shows nothing any more.
    pub(super) fn close(&self) {
        self.doubt();
        self.current.store(None);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
