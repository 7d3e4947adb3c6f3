//! One view of the store: the set of paths that its policy exposes, kept up to date.
//!
//! Questions look into an immutable snapshot and never wait, except for a miss: that has to be true, so it waits for a check
//! that began after the question was asked. One check serves all who asked before it began. What has gone is noticed
//! by a check twice a second.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::{runtime::Handle, sync::Notify, task::spawn_blocking, time::timeout};

use super::{
    ExposureNumbers, ExposurePolicy,
    evaluate::{Change, Evaluation, Failure},
    report::Report,
    set::Set,
    signed::Verified,
    source::Source,
};
use crate::StoreError;

/// How often it is looked whether something has gone.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long what cannot be noticed otherwise, such as a signature that was added to an old path, may stay unnoticed; longer where
/// reading everything would take more than a fiftieth of the time.
const RESCAN: Duration = Duration::from_secs(30);

pub(crate) struct View {
    pub(super) policy: Arc<ExposurePolicy>,
    pub(super) source: Source,
    current: ArcSwapOption<Snapshot>,
    /// The state of the database that the snapshot is known to be of; 0 when it is not known.
    generation: AtomicU64,
    evaluation: Arc<tokio::sync::Mutex<Evaluation>>,
    round: Mutex<Round>,
    /// Shared by all views of a store: no two snapshots have the same number.
    epochs: Arc<AtomicU64>,
    numbers: Mutex<ExposureNumbers>,
    report: Mutex<Report>,
    pub(super) verified: Verified,
    /// So that everything is read by one at a time.
    anew: tokio::sync::Mutex<()>,
    watched: Arc<AtomicBool>,
    rescan: Arc<Notify>,
}

/// What is exposed.
pub(super) struct Snapshot {
    pub(super) set: Set,
    pub(super) epoch: u64,
}

/// How often the set was brought up to date.
#[derive(Default)]
struct Round {
    begun: u64,
    /// How often everything was read beside that.
    begun_anew: u64,
    /// Why the last time failed, if it did.
    failure: Option<(String, &'static str)>,
    /// There is no room; until then nothing is tried.
    pause: Option<Instant>,
    /// When everything was read, and how long that took.
    full: Option<(Instant, Duration)>,
    /// The state of the database that everything was read in.
    full_at: u64,
}

/// When a question was asked: what was true then, the answer has to know.
#[derive(Clone, Copy)]
pub(crate) struct Asked(u64);

impl View {
    pub(super) fn new(policy: ExposurePolicy, source: Source, epochs: Arc<AtomicU64>) -> Arc<Self> {
        let policy = Arc::new(policy);
        let evaluation = Evaluation::new(Arc::clone(&policy), source.clone());
        Arc::new(Self {
            evaluation: Arc::new(tokio::sync::Mutex::new(evaluation)),
            verified: Verified::new(source.limit),
            policy,
            source,
            current: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            round: Mutex::default(),
            epochs,
            numbers: Mutex::default(),
            report: Mutex::default(),
            anew: tokio::sync::Mutex::default(),
            watched: Arc::default(),
            rescan: Arc::default(),
        })
    }

    /// What is exposed, as far as it is known.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// Whether a path with this beginning of its hash part is exposed. `None` while that is not known.
    pub(super) fn exposes(&self, key: u64) -> Option<bool> {
        Some(self.current.load().as_ref()?.set.has_key(key))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.current.load().as_ref().map_or(0, |snapshot| snapshot.epoch)
    }

    pub(super) fn numbers(&self) -> ExposureNumbers {
        *lock(&self.numbers)
    }

    /// To be called before the first look at what is exposed.
    pub(crate) fn asked(&self) -> Asked {
        Asked(lock(&self.round).begun)
    }

    /// The same for what needs everything to be read.
    pub(super) fn asked_anew(&self) -> Asked {
        Asked(lock(&self.round).begun_anew)
    }

    /// The error for a question that cannot be answered yet.
    pub(super) fn unavailable(&self) -> StoreError {
        match lock(&self.round).failure.clone() {
            Some((what, remedy)) => StoreError::Unavailable { what, remedy },
            None => StoreError::Unavailable {
                what: "it is not known yet which store paths are exposed".to_owned(),
                remedy: "nothing has to be done: the policy is being evaluated",
            },
        }
    }

    /// Everything is read again soon.
    pub(super) fn rescan(&self) {
        self.rescan.notify_one();
    }

    /// Makes sure that somebody looks for changes, where there is a runtime to do so.
    pub(super) fn watch(self: &Arc<Self>) {
        if self.watched.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.watched.swap(true, Ordering::AcqRel) {
            let watched = Watched(Arc::clone(&self.watched));
            runtime.spawn(watch(Arc::downgrade(self), Arc::clone(&self.rescan), watched));
        }
    }

    /// Brings the snapshot up to date, unless somebody began to do so since the question was asked.
    ///
    /// It goes on when the caller goes away, for the sake of the next.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        generation: u64,
        asked: Asked,
    ) -> Result<(), StoreError> {
        // Nothing else than the database decides.
        if self.policy.roots.is_none()
            && generation != 0
            && self.generation.load(Ordering::Acquire) == generation
        {
            return Ok(());
        }
        let turn = Arc::clone(&self.evaluation).lock_owned().await;
        {
            let round = lock(&self.round);
            let is_paused = round.pause.is_some_and(|until| Instant::now() < until);
            if round.begun > asked.0 || is_paused {
                let is_fine = round.failure.is_none();
                drop(round);
                return if is_fine { Ok(()) } else { Err(self.unavailable()) };
            }
        }
        let view = Arc::clone(self);
        spawn_blocking(move || {
            let mut evaluation = turn;
            lock(&view.round).begun += 1;
            view.advance(&mut evaluation)
        })
        .await
        .map_err(|_| StoreError::Stopping)?
    }

    /// A row turned out to be one that may not be exposed.
    pub(super) async fn condemn(self: &Arc<Self>, row: i64) -> Result<(), StoreError> {
        let mut turn = Arc::clone(&self.evaluation).lock_owned().await;
        let view = Arc::clone(self);
        spawn_blocking(move || {
            turn.condemn(row);
            lock(&view.round).begun += 1;
            view.advance(&mut turn)
        })
        .await
        .map_err(|_| StoreError::Stopping)?
    }

    /// Reads everything again while the old set goes on being used.
    pub(super) async fn evaluate_anew(self: &Arc<Self>, asked: Asked) -> Result<(), StoreError> {
        let _turn = self.anew.lock().await;
        {
            let mut round = lock(&self.round);
            if round.begun_anew > asked.0 {
                return Ok(());
            }
            round.begun_anew += 1;
        }
        let mut anew = self.evaluation.lock().await.anew();
        let prepared = spawn_blocking(move || {
            let started = Instant::now();
            let result = anew.advance();
            (anew, result, started.elapsed())
        });
        let (anew, result, took) = prepared.await.map_err(|_| StoreError::Stopping)?;
        if result.is_err() {
            // What is known goes on being used; if there is an outage, questions learn of it themselves.
            return Ok(());
        }
        let mut turn = Arc::clone(&self.evaluation).lock_owned().await;
        let view = Arc::clone(self);
        spawn_blocking(move || {
            *turn = anew;
            view.note_full(turn.generation(), took);
            lock(&view.round).begun += 1;
            let result = turn.advance().map(|_| (Change::Other, true));
            view.settle(&turn, result, took)
        })
        .await
        .map_err(|_| StoreError::Stopping)?
    }

    fn advance(&self, evaluation: &mut Evaluation) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = evaluation.advance();
        let took = started.elapsed();
        if let Ok((_, true)) = result {
            self.note_full(evaluation.generation(), took);
        }
        self.settle(evaluation, result, took)
    }

    fn note_full(&self, generation: u64, took: Duration) {
        let mut round = lock(&self.round);
        round.full = Some((Instant::now(), took));
        round.full_at = generation;
    }

    /// Makes the result of an evaluation the one that counts.
    fn settle(
        &self,
        evaluation: &Evaluation,
        result: Result<(Change, bool), Failure>,
        took: Duration,
    ) -> Result<(), StoreError> {
        let (failure, pause) = match result {
            Ok((change, is_full)) => {
                self.publish(evaluation, change);
                if is_full || change != Change::None {
                    self.note(evaluation, took);
                }
                (None, None)
            }
            Err(Failure::TooMany) => {
                // What would be left out cannot be told from what is hidden, and the other way round.
                self.generation.store(0, Ordering::Release);
                self.current.store(None);
                let what = format!(
                    "there are more store paths to look at than the {} for which there is room, so that nothing is exposed",
                    evaluation.source().limit
                );
                (
                    Some((what, "raise `store.index_entries`")),
                    Some(Instant::now() + RESCAN.max(50 * took)),
                )
            }
            Err(Failure::Store(error)) => {
                self.generation.store(0, Ordering::Release);
                let what = format!("it cannot be found out which store paths are exposed: {error}");
                (Some((what, "it is tried again at the next request")), None)
            }
        };
        let mut round = lock(&self.round);
        lock(&self.report).failure(failure.as_ref().filter(|_| pause.is_some()));
        (round.failure, round.pause) = (failure, pause);
        let is_fine = round.failure.is_none();
        drop(round);
        if is_fine { Ok(()) } else { Err(self.unavailable()) }
    }

    fn publish(&self, evaluation: &Evaluation, change: Change) {
        let before = self.current.load();
        let next = || self.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        let epoch = match (&*before, change) {
            (Some(_), Change::None) => None,
            // What a rendered narinfo leaves out may be exposed now only if that is a derivation.
            (Some(before), Change::Grown { derivations: false }) => Some(before.epoch),
            (Some(before), Change::Other) if before.set.is_same(evaluation.set()) => None,
            _ => Some(next()),
        };
        if let Some(epoch) = epoch {
            self.current.store(Some(Arc::new(Snapshot { set: evaluation.set().clone(), epoch })));
        }
        // After the snapshot: who sees the number sees the paths.
        self.generation.store(evaluation.generation(), Ordering::Release);
    }

    fn note(&self, evaluation: &Evaluation, took: Duration) {
        let missing = lock(&self.report).evaluated(&self.policy, evaluation);
        let mut numbers = lock(&self.numbers);
        numbers.exposed = evaluation.set().len() as u64;
        numbers.withheld = evaluation.withheld().number as u64;
        numbers.roots_missing = missing as u64;
        numbers.last_evaluation = took;
        numbers.evaluations += 1;
    }

    /// Whether everything should be read again, for what is noticed in no other way: signatures that were added to old paths, and
    /// named paths that were collected.
    fn is_stale(&self, generation: u64) -> bool {
        if self.policy.signed_by.is_none() && self.policy.names.is_empty() {
            return false;
        }
        let round = lock(&self.round);
        (generation == 0 || generation != round.full_at)
            && round.full.is_some_and(|(at, took)| at.elapsed() >= RESCAN.max(50 * took))
    }
}

/// Says that nobody looks for changes any more, for example because the runtime has ended.
struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn watch(view: Weak<View>, rescan: Arc<Notify>, _watched: Watched) {
    loop {
        {
            let Some(view) = view.upgrade() else { return };
            let generation = view.source.database.generation();
            if view.is_stale(generation) {
                _ = view.evaluate_anew(view.asked_anew()).await;
            }
            let asked = view.asked();
            _ = view.refresh(generation, asked).await;
        }
        if timeout(INTERVAL, rescan.notified()).await.is_ok()
            && let Some(view) = view.upgrade()
            && view.snapshot().is_some()
        {
            _ = view.evaluate_anew(view.asked_anew()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
