//! From the queue into the cache.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rns_client::CacheClient;
use rns_formats::{PathInfo, StorePath};
use rns_nix_store::LocalStore;

use super::{
    error::QueueError,
    filter::Filter,
    queue_file::{Queue, Queued},
};
use crate::{
    config::PushConfig,
    error::PushError,
    event::{PathOutcome, PushEvent},
    push::push,
    target::PushTarget,
};

/// Paths of one push: enough to share its questions, few enough to note soon that they are done.
const MAX_PUSH_BATCH: usize = 64;

/// Everything that is needed to push a queue.
pub struct Drainer {
    /// The local store.
    pub store: LocalStore,
    /// The cache.
    pub target: PushTarget,
    /// Caches whose paths are not pushed.
    pub upstreams: Vec<CacheClient>,
    /// The way to push.
    pub config: PushConfig,
    /// The paths that are pushed.
    pub filter: Filter,
}

/// The end of a pass over the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainEnd {
    /// Every path of it was looked at; so many have failed.
    Through(usize),
    /// Nothing gets through at the moment, for this reason; the other paths wait as they did.
    Blocked {
        /// The reason.
        why: String,
        /// True if the cache cannot be reached.
        is_unreachable: bool,
    },
}

impl Drainer {
    /// Pushes the waiting paths; with `only_due`, without those whose pause is not over. The caller holds the lock.
    ///
    /// # Errors
    /// When the queue cannot be used.
    pub async fn drain(&self, queue: &Queue, only_due: bool) -> Result<DrainEnd, QueueError> {
        let mut after = 0;
        let mut failed = 0;
        loop {
            let batch = queue.next(after, only_due, MAX_PUSH_BATCH)?;
            let Some(last) = batch.last() else { return Ok(DrainEnd::Through(failed)) };
            after = last.number;
            let wanted = self.wanted(queue, batch).await?;
            match self.push_batch(queue, &wanted).await? {
                BatchEnd::Pushed(failures) => failed += failures,
                BatchEnd::Blocked(end) => return Ok(end),
                // One path that cannot be read must not hold up the others.
                BatchEnd::Unreadable(_) if wanted.len() > 1 => {
                    for queued in wanted {
                        match self.push_batch(queue, std::slice::from_ref(&queued)).await? {
                            BatchEnd::Pushed(failures) => failed += failures,
                            BatchEnd::Blocked(end) => return Ok(end),
                            BatchEnd::Unreadable(error) => {
                                failed += 1;
                                queue.failed_path(&queued, &error.to_string())?;
                            }
                        }
                    }
                }
                BatchEnd::Unreadable(error) => {
                    failed += wanted.len();
                    for queued in &wanted {
                        queue.failed_path(queued, &error.to_string())?;
                    }
                }
            }
        }
    }

    /// The paths that are still valid and pass the filter; the others leave the queue.
    async fn wanted(&self, queue: &Queue, batch: Vec<Queued>) -> Result<Vec<Queued>, QueueError> {
        let mut wanted = Vec::new();
        for queued in batch {
            let info = self.store.path_info(queued.path.hash_part()).await;
            self.config.liveness.note();
            let reason = match &info {
                Ok(Some(info)) if info.path == queued.path => self.filter.rejects(info),
                Ok(_) => {
                    // A daemon that was given another store than the hook would drop everything unseen.
                    tracing::warn!(
                        "{} is not pushed: it is not in this store; it was collected before that, or is of another store \
                         (--store)",
                        queued.path
                    );
                    queue.done(&queued)?;
                    continue;
                }
                // Its push tells of it.
                Err(_) => None,
            };
            match reason {
                None => wanted.push(queued),
                Some(reason) => {
                    tracing::info!("{} is not pushed, because {reason}", queued.path);
                    queue.done(&queued)?;
                }
            }
        }
        Ok(wanted)
    }

    async fn push_batch(&self, queue: &Queue, batch: &[Queued]) -> Result<BatchEnd, QueueError> {
        if batch.is_empty() {
            return Ok(BatchEnd::Pushed(0));
        }
        let roots: Vec<StorePath> = batch.iter().map(|queued| queued.path.clone()).collect();
        let waiting: HashMap<&StorePath, &Queued> =
            batch.iter().map(|queued| (&queued.path, queued)).collect();
        let heard = Heard { queue, waiting, noted: Mutex::default() };
        let observe = |event: &PushEvent<'_>| heard.hear(event);
        let Self { store, target, upstreams, config, .. } = self;
        let done = push(store, target, upstreams, &roots, config, &observe).await;
        let DrainNotes { failed, blocked, queue_error } =
            heard.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = queue_error {
            return Err(error);
        }
        if let Some(end) = blocked {
            return Ok(BatchEnd::Blocked(end));
        }
        Ok(match done {
            Ok(_) => BatchEnd::Pushed(failed),
            Err(error @ (PushError::Store(_) | PushError::NotValid(_) | PushError::Pack(_))) => {
                BatchEnd::Unreadable(error)
            }
            Err(error) => BatchEnd::Blocked(blocked_by(&error)),
        })
    }
}

/// The end of one push.
enum BatchEnd {
    /// It went through, and so many of its paths have failed.
    Pushed(usize),
    /// Nothing gets through.
    Blocked(DrainEnd),
    /// Something of this machine stopped it before it began.
    Unreadable(PushError),
}

/// Notes the outcomes of one push in the queue, as they become known.
struct Heard<'a> {
    queue: &'a Queue,
    waiting: HashMap<&'a StorePath, &'a Queued>,
    noted: Mutex<DrainNotes>,
}

#[derive(Default)]
struct DrainNotes {
    failed: usize,
    blocked: Option<DrainEnd>,
    queue_error: Option<QueueError>,
}

impl Heard<'_> {
    fn hear(&self, event: &PushEvent<'_>) {
        let PushEvent::Settled(info, outcome) = event else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let PathOutcome::Failed(error) = outcome
            && error.ends_all()
        {
            noted.blocked.get_or_insert_with(|| blocked_by(error));
        }
        let done = self.note(info, outcome, &mut noted);
        if let Err(error) = done {
            noted.queue_error = Some(error);
        }
    }

    fn note(
        &self,
        info: &PathInfo,
        outcome: &PathOutcome,
        noted: &mut DrainNotes,
    ) -> Result<(), QueueError> {
        let Some(queued) = self.waiting.get(&info.path) else { return Ok(()) };
        match outcome {
            PathOutcome::Pushed(_) | PathOutcome::Present | PathOutcome::Upstream => {
                if matches!(outcome, PathOutcome::Pushed(_)) {
                    tracing::info!("{} is pushed", info.path);
                }
                self.queue.done(queued)
            }
            // It has not failed itself.
            PathOutcome::Failed(error)
                if error.ends_all() || matches!(error, PushError::NotTried) =>
            {
                Ok(())
            }
            PathOutcome::Failed(error) => {
                noted.failed += 1;
                tracing::warn!("{} did not get through: {error}", info.path);
                self.queue.failed_path(queued, &error.to_string())
            }
        }
    }
}

fn blocked_by(error: &PushError) -> DrainEnd {
    let remedy = error.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    DrainEnd::Blocked { why: format!("{error}{remedy}"), is_unreachable: error.is_unreachable() }
}
