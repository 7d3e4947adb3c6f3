//! One push: missing paths are packed and uploaded, and become visible in order.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use rns_client::CacheClient;
use rns_formats::{Compression, HashPart, NarInfo, PathInfo, SecretKey, StorePath};
use rns_nix_store::LocalStore;

use crate::{
    closure::closure,
    error::PushError,
    order::Order,
    pack::{Packed, Packer},
    target::Target,
    upstreams::present_at,
};

/// Rounds over the paths that did not get through, after all attempts of each request.
const MAX_ROUNDS: usize = 3;

/// Files from this size on are looked for before they are uploaded, in bytes: an earlier push may have been interrupted.
const MIN_ASKED_BYTES: u64 = 1 << 20;

/// Narinfos that are uploaded at the same time.
const MAX_NARINFOS: usize = 32;

/// The way to push.
pub struct PushConfig {
    /// The level of zstd.
    pub level: i32,
    /// NARs on their way at the same time.
    pub jobs: usize,
    /// Keys that sign.
    pub keys: Vec<SecretKey>,
    /// Only the named paths, without their references.
    pub roots_only: bool,
    /// The directory for packed NARs that are not small.
    pub scratch: PathBuf,
}

/// The outcome for a path.
#[derive(Debug)]
pub enum Outcome {
    /// It was uploaded and acknowledged; so many bytes were sent for its NAR.
    Pushed(u64),
    /// It was there.
    Present,
    /// An upstream has it.
    Upstream,
    /// It did not get through.
    Failed(PushError),
}

/// An event during a push.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many paths, with so many bytes of NARs, are to be uploaded.
    Planned(usize, u64),
    /// This became of a path.
    Settled(&'a PathInfo, &'a Outcome),
}

/// The result of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Paths that were uploaded.
    pub pushed: usize,
    /// Bytes that were sent for their NARs.
    pub bytes: u64,
    /// Paths that were there.
    pub present: usize,
    /// Paths that an upstream has.
    pub upstream: usize,
    /// Paths that did not get through.
    pub failed: usize,
    /// True if the target could not be reached.
    pub is_unreachable: bool,
}

type Observe<'a> = &'a (dyn Fn(&Event<'_>) + Sync);

/// Pushes paths with all that they refer to. `observe` hears of each path once, when its outcome is final.
///
/// # Errors
/// When nothing could be begun: a path is not valid, or store or target cannot be asked. The results of single paths are
/// in the summary.
pub async fn push(
    store: &LocalStore,
    target: &Target,
    upstreams: &[CacheClient],
    roots: &[StorePath],
    config: &PushConfig,
    observe: Observe<'_>,
) -> Result<Summary, PushError> {
    let mut open = closure(store, roots, config.roots_only).await?;
    let mut summary = Summary::default();
    let packer = Packer::new(config.level, config.scratch.clone());
    let round = Round { store, target, config, packer: &packer, observe };
    target.prepare(store.store_dir()).await?;
    for number in 1..=MAX_ROUNDS {
        open = round.leave_out(open, upstreams, &mut summary).await?;
        if number == 1 {
            observe(&Event::Planned(open.len(), open.iter().map(|info| info.nar_size).sum()));
        }
        let failures = round.run(open, &mut summary).await;
        let is_last = number == MAX_ROUNDS || failures.iter().any(|(_, error)| error.ends_all());
        let is_final = |error: &PushError| is_last || !error.is_worth_a_round();
        let (failed, again): (Vec<_>, Vec<_>) =
            failures.into_iter().partition(|(_, error)| is_final(error));
        for (info, error) in failed {
            summary.failed += 1;
            summary.is_unreachable |= error.is_unreachable();
            observe(&Event::Settled(&info, &Outcome::Failed(error)));
        }
        if again.is_empty() {
            break;
        }
        tracing::info!("tried again, since they did not get through: {} of the paths", again.len());
        open = again.into_iter().map(|(info, _)| info).collect();
    }
    Ok(summary)
}

/// Everything that each path of a push needs.
struct Round<'a> {
    store: &'a LocalStore,
    target: &'a Target,
    config: &'a PushConfig,
    packer: &'a Packer,
    observe: Observe<'a>,
}

/// A step of a path that has ended.
enum Step {
    /// Its NAR is there.
    Uploaded(usize, Result<Uploaded, PushError>),
    /// Its narinfo is there.
    Published(usize, Result<u64, PushError>),
}

/// An uploaded NAR.
struct Uploaded {
    narinfo: Box<NarInfo>,
    sent: u64,
}

impl Round<'_> {
    /// The paths that are still to be uploaded.
    async fn leave_out(
        &self,
        paths: Vec<Arc<PathInfo>>,
        upstreams: &[CacheClient],
        summary: &mut Summary,
    ) -> Result<Vec<Arc<PathInfo>>, PushError> {
        let hashes: Vec<HashPart> = paths.iter().map(|info| info.path.hash_part()).collect();
        let missing = self.target.missing(&hashes).await?;
        let open: Vec<HashPart> =
            hashes.into_iter().filter(|hash| missing.contains(hash)).collect();
        let elsewhere = present_at(upstreams, &open).await;
        let mut left = Vec::new();
        for info in paths {
            let hash = info.path.hash_part();
            let outcome = if !missing.contains(&hash) {
                summary.present += 1;
                Outcome::Present
            } else if elsewhere.contains(&hash) {
                summary.upstream += 1;
                Outcome::Upstream
            } else {
                left.push(info);
                continue;
            };
            (self.observe)(&Event::Settled(&info, &outcome));
        }
        Ok(left)
    }

    /// Uploads as many paths as can be, and returns those that did not get through.
    async fn run(
        &self,
        paths: Vec<Arc<PathInfo>>,
        summary: &mut Summary,
    ) -> Vec<(Arc<PathInfo>, PushError)> {
        let mut order = Order::new(paths);
        let mut waiting: VecDeque<usize> = (0..order.paths.len()).collect();
        let mut uploaded: HashMap<usize, Uploaded> = HashMap::new();
        let mut publishable: VecDeque<usize> = VecDeque::new();
        let mut failures = Vec::new();
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = FuturesUnordered::new();
        let (mut nars, mut narinfos) = (0, 0);
        loop {
            while narinfos < MAX_NARINFOS
                && let Some(number) = publishable.pop_front()
            {
                let Some(nar) = uploaded.remove(&number) else { continue };
                narinfos += 1;
                steps.push(Box::pin(self.publish(number, nar)));
            }
            while nars < self.config.jobs.max(1)
                && let Some(number) = waiting.pop_front()
            {
                let Some(info) = order.paths.get(number) else { continue };
                // Something that it refers to has failed meanwhile.
                if order.is_settled(number) {
                    continue;
                }
                nars += 1;
                steps.push(Box::pin(self.upload(number, Arc::clone(info))));
            }
            let Some(step) = steps.next().await else { break };
            let (number, failure) = match step {
                Step::Uploaded(number, Ok(nar)) => {
                    nars -= 1;
                    uploaded.insert(number, nar);
                    if order.is_free(number) {
                        publishable.push_back(number);
                    }
                    continue;
                }
                Step::Published(number, Ok(sent)) => {
                    narinfos -= 1;
                    summary.pushed += 1;
                    summary.bytes += sent;
                    if let Some(info) = order.paths.get(number) {
                        (self.observe)(&Event::Settled(info, &Outcome::Pushed(sent)));
                    }
                    publishable.extend(order.visible(number));
                    continue;
                }
                Step::Uploaded(number, Err(failure)) => {
                    nars -= 1;
                    (number, failure)
                }
                Step::Published(number, Err(failure)) => {
                    narinfos -= 1;
                    (number, failure)
                }
            };
            let ends_all = failure.ends_all();
            let was_lost = order.is_settled(number);
            for (lost, reference) in order.failed(number) {
                if let (Some(lost), Some(reference)) =
                    (order.paths.get(lost), order.paths.get(reference))
                {
                    let error = PushError::Reference(reference.path.clone());
                    failures.push((Arc::clone(lost), error));
                }
            }
            if let Some(info) = order.paths.get(number).filter(|_| !was_lost) {
                failures.push((Arc::clone(info), failure));
            }
            if ends_all {
                break;
            }
        }
        drop(steps);
        // Paths that were not begun because everything ended.
        for (number, info) in order.paths.iter().enumerate() {
            if !order.is_settled(number) {
                failures.push((Arc::clone(info), PushError::NotTried));
            }
        }
        failures
    }

    /// Packs and uploads the NAR of a path.
    async fn upload(&self, number: usize, info: Arc<PathInfo>) -> Step {
        Step::Uploaded(number, self.try_upload(&info).await)
    }

    async fn try_upload(&self, info: &PathInfo) -> Result<Uploaded, PushError> {
        let Packed { name, hash, body } = self.packer.pack(self.store, info).await?;
        let length = body.len();
        let is_there = length >= MIN_ASKED_BYTES && self.target.has_nar(&name).await?;
        if !is_there {
            self.target.put_nar(&name, &body).await?;
        }
        let mut signatures = info.signatures.clone();
        let fingerprint = info.fingerprint(self.store.store_dir());
        for key in &self.config.keys {
            signatures.retain(|signature| signature.key != *key.name());
            signatures.push(key.sign(&fingerprint));
        }
        let file = Some((hash.into(), length));
        let url = name.canonical_url();
        let narinfo = NarInfo::for_path(info, url, Compression::Zstd, file, signatures);
        Ok(Uploaded { narinfo: Box::new(narinfo), sent: if is_there { 0 } else { length } })
    }

    async fn publish(&self, number: usize, nar: Uploaded) -> Step {
        let put = self.target.put_narinfo(&nar.narinfo, self.store.store_dir()).await;
        Step::Published(number, put.map(|()| nar.sent))
    }
}
