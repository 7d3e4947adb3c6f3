//! Bringing an exposed set up to date: by one at a time, and for all who asked before it began.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::{spawn, spawn_blocking};

use super::{
    evaluate::Evaluation,
    exposed_paths::{ExposedPaths, lock},
    outcome::{EvaluationFailure, SetChange},
    rounds::{EvaluationRound, WantedEvaluation},
};
use crate::CacheError;

/// How long a change without other signs may stay unnoticed, such as a signature that was added to an old path. Longer where
/// reading everything would take more than a fiftieth of the time.
const RESCAN_INTERVAL: Duration = Duration::from_secs(30);

impl ExposedPaths {
    /// To be called before the first look at the set.
    pub(crate) fn asked(&self) -> EvaluationRound {
        EvaluationRound(lock(&self.rounds).begun)
    }

    /// Asks for everything to be read, which the next call of [`Self::evaluate_anew`] does.
    pub(super) fn want_anew(&self) -> WantedEvaluation {
        let mut rounds = lock(&self.rounds);
        rounds.wanted_anew += 1;
        WantedEvaluation(rounds.wanted_anew)
    }

    /// The last such request, if it has not been met.
    pub(super) fn wanted(&self) -> Option<WantedEvaluation> {
        let rounds = lock(&self.rounds);
        (rounds.wanted_anew > rounds.met_anew).then_some(WantedEvaluation(rounds.wanted_anew))
    }

    /// The error for a question that cannot be answered yet.
    pub(super) fn unavailable(&self) -> CacheError {
        match lock(&self.rounds).failure.clone() {
            Some((what, remedy)) => CacheError::Unavailable { what, remedy },
            None => CacheError::Unavailable {
                what: "the exposed store paths are not known yet".to_owned(),
                remedy: "nothing has to be done: the policy is being evaluated",
            },
        }
    }

    fn outcome(&self) -> Result<(), CacheError> {
        let is_fine = lock(&self.rounds).failure.is_none();
        if is_fine { Ok(()) } else { Err(self.unavailable()) }
    }

    /// Brings the snapshot up to date, unless another caller began to do so since the question was asked. The generation is the
    /// present one, or 0.
    ///
    /// It goes on when the caller goes away, for the sake of the next.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        generation: u64,
        asked: EvaluationRound,
    ) -> Result<(), CacheError> {
        if self.is_of(generation) {
            return Ok(());
        }
        let mut turn = Arc::clone(&self.evaluation).lock_owned().await;
        let is_needless = {
            let rounds = lock(&self.rounds);
            rounds.begun > asked.0 || rounds.pause.is_some_and(|until| Instant::now() < until)
        };
        if is_needless {
            return self.outcome();
        }
        let paths = Arc::clone(self);
        spawn_blocking(move || paths.advance(&mut turn))
            .await
            .map_err(|_| CacheError::ShuttingDown)?
    }

    /// A row turned out to be one that may not be exposed.
    pub(super) async fn condemn(self: &Arc<Self>, row: i64) -> Result<(), CacheError> {
        let mut turn = Arc::clone(&self.evaluation).lock_owned().await;
        let paths = Arc::clone(self);
        let advanced = spawn_blocking(move || {
            turn.condemn(row);
            paths.advance(&mut turn)
        });
        advanced.await.map_err(|_| CacheError::ShuttingDown)?
    }

    /// Reads everything again while the old set goes on being used, unless that was begun after it was wanted.
    pub(super) async fn evaluate_anew(
        self: &Arc<Self>,
        wanted: WantedEvaluation,
    ) -> Result<(), CacheError> {
        let paths = Arc::clone(self);
        // It goes on when the caller goes away: otherwise a second one could begin beside it.
        let evaluated = spawn(async move {
            let _turn = paths.anew.lock().await;
            let (met, meets) = {
                let rounds = lock(&paths.rounds);
                (rounds.met_anew, rounds.wanted_anew)
            };
            if met >= wanted.0 {
                return paths.outcome();
            }
            let mut anew = paths.evaluation.lock().await.anew();
            let prepared = spawn_blocking(move || {
                let started = Instant::now();
                // If there is an outage, the questions learn of it themselves.
                let is_read = anew.advance().is_ok();
                is_read.then(|| (anew, started.elapsed()))
            });
            let prepared = prepared.await.map_err(|_| CacheError::ShuttingDown)?;
            if let Some((anew, took)) = prepared {
                let mut turn = Arc::clone(&paths.evaluation).lock_owned().await;
                let of = Arc::clone(&paths);
                let settled = spawn_blocking(move || {
                    *turn = anew;
                    lock(&of.rounds).begun += 1;
                    let result = turn.advance().map(|_| (SetChange::Other, true));
                    of.settle(&turn, result, took)
                });
                settled.await.map_err(|_| CacheError::ShuttingDown)??;
            }
            lock(&paths.rounds).met_anew = meets;
            Ok(())
        });
        evaluated.await.map_err(|_| CacheError::ShuttingDown)?
    }

    fn advance(&self, evaluation: &mut Evaluation) -> Result<(), CacheError> {
        lock(&self.rounds).begun += 1;
        let started = Instant::now();
        let result = evaluation.advance();
        self.settle(evaluation, result, started.elapsed())
    }

    /// Makes the result of an evaluation the one that counts.
    fn settle(
        &self,
        evaluation: &Evaluation,
        result: Result<(SetChange, bool), EvaluationFailure>,
        took: Duration,
    ) -> Result<(), CacheError> {
        let mut pause = None;
        let failure = match result {
            Ok((change, is_full)) => {
                self.publish(evaluation, change);
                if is_full || change != SetChange::None {
                    self.note(evaluation, took);
                }
                if is_full {
                    lock(&self.rounds).full = Some((Instant::now(), took, evaluation.generation()));
                }
                None
            }
            // Paths that would be left out could not be told from hidden ones.
            Err(EvaluationFailure::TooMany) => {
                self.close();
                pause = Some(Instant::now() + RESCAN_INTERVAL.max(50 * took));
                let limit = evaluation.source().limit;
                let what = format!(
                    "nothing is exposed, for there are more than {limit} store paths to look at"
                );
                Some((what, "raise `store.index_entries`"))
            }
            Err(EvaluationFailure::Store(error)) => {
                self.doubt();
                let what = format!("the policy of exposure cannot be evaluated: {error}");
                Some((what, "it is tried again at the next request"))
            }
        };
        lock(&self.report).full(failure.as_ref().filter(|_| pause.is_some()));
        let mut rounds = lock(&self.rounds);
        (rounds.failure, rounds.pause) = (failure, pause);
        drop(rounds);
        self.outcome()
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

    /// Whether everything should be read again, for changes without other signs: signatures that were added to old paths, and
    /// named paths that were collected.
    pub(super) fn is_stale(&self, generation: u64) -> bool {
        if self.policy.signed_by.is_none() && self.policy.names.is_empty() {
            return false;
        }
        lock(&self.rounds).full.is_some_and(|(at, took, of)| {
            (generation == 0 || generation != of) && at.elapsed() >= RESCAN_INTERVAL.max(50 * took)
        })
    }
}
