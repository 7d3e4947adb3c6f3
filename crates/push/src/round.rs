//! One round of a push: NARs are packed and uploaded, and narinfos become visible in order, each with its documents.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use rns_client::CacheClient;
use rns_formats::{Compression, HashPart, NarInfo, PathInfo};
use rns_nix_store::LocalStore;

use crate::{
    config::PushConfig,
    documents::Documents,
    error::PushError,
    event::{Observe, PathOutcome, PushEvent, Summary},
    order::PushOrder,
    pack::{PackedNar, Packer},
    target::PushTarget,
    upstreams::present_at,
};

/// Files from this size on are looked for before they are uploaded, in bytes: an earlier push may have been interrupted.
const MIN_ASKED_BYTES: u64 = 1 << 20;

/// Narinfos that are uploaded at the same time, each followed by its documents.
const MAX_NARINFOS: usize = 32;

/// Everything that each path of a push needs.
pub(crate) struct PushRound<'a> {
    pub(crate) store: &'a LocalStore,
    pub(crate) target: &'a PushTarget,
    pub(crate) config: &'a PushConfig,
    pub(crate) packer: &'a Packer,
    pub(crate) documents: &'a Documents,
    pub(crate) observe: Observe<'a>,
}

/// The outcomes of all rounds so far.
pub(crate) struct SettledPaths {
    pub(crate) summary: Summary,
    /// The paths that this push has published, with the bytes that were sent, though not with all of their documents.
    pub(crate) published: HashMap<HashPart, u64>,
}

/// The paths of a round.
pub(crate) struct WantedPaths {
    /// Those that are missing, and those that have documents.
    paths: Vec<Arc<PathInfo>>,
    /// Those that are there: only their documents may be missing.
    present: HashSet<HashPart>,
}

impl WantedPaths {
    /// The number of missing paths, and the bytes of their NARs.
    pub(crate) fn planned(&self) -> (usize, u64) {
        let missing = || self.paths.iter().filter(|info| !self.is_present(info));
        (missing().count(), missing().map(|info| info.nar_size).sum())
    }

    fn is_present(&self, info: &PathInfo) -> bool {
        self.present.contains(&info.path.hash_part())
    }
}

/// A step of a path that has ended.
enum PathStep {
    /// Its NAR is there.
    Uploaded(usize, Result<Uploaded, PushError>),
    /// Its narinfo is there, or not.
    Published(usize, Result<PublishedPath, PushError>),
}

/// A path that can become visible.
struct Uploaded {
    /// `None` for a path that is visible already.
    narinfo: Option<Box<NarInfo>>,
    sent: u64,
}

/// A path that is visible.
struct PublishedPath {
    sent: u64,
    /// The number of documents that were sent, or the first failure.
    documents: Result<usize, PushError>,
}

impl PushRound<'_> {
    /// The paths that are still to be uploaded, or have documents that may be missing.
    pub(crate) async fn leave_out(
        &self,
        paths: Vec<Arc<PathInfo>>,
        upstreams: &[&CacheClient],
        settled: &mut SettledPaths,
    ) -> Result<WantedPaths, PushError> {
        let hashes: Vec<HashPart> = paths.iter().map(|info| info.path.hash_part()).collect();
        let missing = self.target.missing(&hashes, &self.config.liveness).await?;
        let open: Vec<HashPart> =
            hashes.into_iter().filter(|hash| missing.contains(hash)).collect();
        let elsewhere = present_at(upstreams, &open).await;
        let mut wanted = WantedPaths { paths: Vec::new(), present: HashSet::new() };
        for info in paths {
            let hash = info.path.hash_part();
            if elsewhere.contains(&hash) {
                settled.summary.upstream += 1;
                (self.observe)(&PushEvent::Settled(&info, &PathOutcome::Upstream));
            } else if missing.contains(&hash) {
                wanted.paths.push(info);
            } else if self.documents.has_any(&hash) {
                wanted.present.insert(hash);
                wanted.paths.push(info);
            } else {
                self.is_there(&info, settled);
            }
        }
        Ok(wanted)
    }

    /// Uploads as many paths as can be, and returns those that did not get through.
    pub(crate) async fn run(
        &self,
        wanted: WantedPaths,
        settled: &mut SettledPaths,
    ) -> Vec<(Arc<PathInfo>, PushError)> {
        let WantedPaths { paths, present } = wanted;
        let mut order = PushOrder::new(paths);
        let mut waiting: VecDeque<usize> = (0..order.paths.len()).collect();
        let mut uploaded: HashMap<usize, Uploaded> = HashMap::new();
        let mut publishable: VecDeque<usize> = VecDeque::new();
        let mut failures = Vec::new();
        let mut steps: FuturesUnordered<BoxFuture<'_, PathStep>> = FuturesUnordered::new();
        let (mut nars, mut narinfos) = (0, 0);
        loop {
            while narinfos < MAX_NARINFOS
                && let Some(number) = publishable.pop_front()
            {
                let Some(nar) = uploaded.remove(&number) else { continue };
                let Some(info) = order.paths.get(number) else { continue };
                narinfos += 1;
                steps.push(Box::pin(self.publish(number, Arc::clone(info), nar)));
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
                let is_there = present.contains(&info.path.hash_part());
                steps.push(Box::pin(self.upload(number, Arc::clone(info), is_there)));
            }
            let Some(step) = steps.next().await else { break };
            self.config.liveness.note();
            let (number, failure) = match step {
                PathStep::Uploaded(number, Ok(nar)) => {
                    nars -= 1;
                    uploaded.insert(number, nar);
                    if order.is_free(number) {
                        publishable.push_back(number);
                    }
                    continue;
                }
                PathStep::Published(number, Ok(published)) => {
                    narinfos -= 1;
                    publishable.extend(order.visible(number));
                    let Some(info) = order.paths.get(number) else { continue };
                    let hash = info.path.hash_part();
                    if !present.contains(&hash) {
                        settled.published.insert(hash, published.sent);
                    }
                    match published.documents {
                        Ok(sent) => {
                            settled.summary.documents += sent;
                            self.is_there(info, settled);
                            continue;
                        }
                        // The path is there all the same, and would be refused its document for ever.
                        Err(failure) if failure.is_refused_document() => {
                            tracing::warn!("{}: {failure}", info.path);
                            self.is_there(info, settled);
                            continue;
                        }
                        // The path is visible, so that others are not held up.
                        Err(failure) => {
                            let ends_all = failure.ends_all();
                            failures.push((Arc::clone(info), failure));
                            if ends_all {
                                break;
                            }
                            continue;
                        }
                    }
                }
                PathStep::Uploaded(number, Err(failure)) => {
                    nars -= 1;
                    (number, failure)
                }
                PathStep::Published(number, Err(failure)) => {
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

    /// A path is visible with all of its documents.
    fn is_there(&self, info: &PathInfo, settled: &mut SettledPaths) {
        let outcome = match settled.published.remove(&info.path.hash_part()) {
            Some(sent) => {
                settled.summary.pushed += 1;
                settled.summary.bytes += sent;
                PathOutcome::Pushed(sent)
            }
            None => {
                settled.summary.present += 1;
                PathOutcome::Present
            }
        };
        (self.observe)(&PushEvent::Settled(info, &outcome));
    }

    /// Packs and uploads the NAR of a path, unless the path is there.
    async fn upload(&self, number: usize, info: Arc<PathInfo>, is_there: bool) -> PathStep {
        if is_there {
            return PathStep::Uploaded(number, Ok(Uploaded { narinfo: None, sent: 0 }));
        }
        PathStep::Uploaded(number, self.try_upload(&info).await)
    }

    async fn try_upload(&self, info: &PathInfo) -> Result<Uploaded, PushError> {
        let PackedNar { name, hash, body } = self.packer.pack(self.store, info).await?;
        let length = body.len();
        let is_there = length >= MIN_ASKED_BYTES && self.target.has_nar(&name).await?;
        if !is_there {
            self.target.put_nar(&name, &body, &self.config.liveness).await?;
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
        Ok(Uploaded { narinfo: Some(Box::new(narinfo)), sent: if is_there { 0 } else { length } })
    }

    /// Makes a path visible, and sends its documents.
    async fn publish(&self, number: usize, info: Arc<PathInfo>, nar: Uploaded) -> PathStep {
        let is_new = nar.narinfo.is_some();
        if let Some(narinfo) = nar.narinfo
            && let Err(error) = self.target.put_narinfo(&narinfo, self.store.store_dir()).await
        {
            return PathStep::Published(number, Err(error));
        }
        let documents = self.documents.send(self.store, self.target, &info, is_new).await;
        PathStep::Published(number, Ok(PublishedPath { sent: nar.sent, documents }))
    }
}
