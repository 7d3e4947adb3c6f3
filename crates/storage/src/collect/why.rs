//! The reason why a path is kept: found by the database alone, from the path upwards and from the roots downwards, mostly
//! without a look at everything.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::SystemTime,
};

use rns_formats::{HashPart, StorePath};

use super::{
    descent::Descent,
    disk::missing_on_disk,
    error::CollectError,
    run::planned,
    verdict::{Cause, Verdict},
};
use crate::{
    index::{Index, IndexError, IndexedPath, Referrer},
    retention::Retention,
    write::Storage,
};

/// Referrers that are looked at. Above that, youth or use that keeps it may not be found; a root is.
const MAX_LOOKED_AT: usize = 10_000;

/// The same once something that keeps it was found, and before it is looked for below the roots.
const MAX_LOOKED_AT_FIRST: usize = 1_000;

/// Paths below roots that are looked at before more referrers are. For most paths with many referrers that is enough.
const MAX_BELOW_ROOTS_FIRST: usize = 10_000;

/// Rows that are asked about at once.
const EXPLAINED_BATCH: usize = 1_000;

/// The record of a path, and the reason why it is kept.
#[derive(Clone, Debug)]
pub struct Why {
    /// Its row.
    pub id: i64,
    /// The path itself.
    pub record: IndexedPath,
    /// A root that needs it, and the paths from the one that the root names to this one.
    pub root: Option<(String, Vec<StorePath>)>,
    /// The paths from one that is young to this one.
    pub young: Option<Vec<StorePath>>,
    /// The paths from one that is in use to this one.
    pub used: Option<Vec<StorePath>>,
    /// Whether everything that refers to it, directly or not, was looked at.
    pub is_complete: bool,
    /// Bytes of all NARs, where a limit is about them and neither roots nor youth keep the path.
    pub present_bytes: Option<u64>,
    /// Its place among the paths that go, where a limit is exceeded and it is one of them.
    pub going: Option<RemovalPlace>,
}

/// The place of a path among those that go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovalPlace {
    /// Why it goes.
    pub cause: Cause,
    /// Its place, from 1 on.
    pub place: usize,
    /// The number of paths that go.
    pub count: usize,
}

/// The nearest paths that keep one, as they are found.
#[derive(Default)]
struct Nearest {
    root: Option<(String, i64)>,
    young: Option<i64>,
    used: Option<i64>,
}

impl Nearest {
    fn see(&mut self, referrer: &Referrer, (young, used): (i64, Option<i64>)) {
        if let (None, Some(root)) = (&self.root, &referrer.root) {
            self.root = Some((root.clone(), referrer.id));
        }
        if self.young.is_none() && (referrer.touched > young || referrer.is_publishing) {
            self.young = Some(referrer.id);
        }
        let last_use = referrer.touched.max(referrer.used);
        if self.used.is_none() && used.is_some_and(|used| last_use > used) {
            self.used = Some(referrer.id);
        }
    }

    const fn has_reason(&self) -> bool {
        self.root.is_some() || self.young.is_some() || self.used.is_some()
    }

    const fn is_settled(&self, asks_for_use: bool) -> bool {
        self.root.is_some() && self.young.is_some() && (self.used.is_some() || !asks_for_use)
    }
}

/// How much a storage exceeds the limits that let used paths go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excess {
    /// Whether `max_size` is exceeded, or nearly.
    pub(crate) is_full: bool,
    /// Bytes that are missing on the disk.
    pub(crate) missing: u64,
}

impl Excess {
    /// The policy by which a server makes room: near `max_size`, down to less.
    pub(crate) fn policy(self, retention: &Retention) -> Retention {
        if self.is_full { retention.with_room() } else { retention.clone() }
    }
}

/// Finds the reason why a path is kept. `None`: it is not here. Where a limit is exceeded, everything is looked at for that.
///
/// # Errors
/// When the index, or the disk where `keep_free` is about it, cannot be asked.
pub async fn why(
    storage: &Storage,
    hash: &HashPart,
    retention: &Retention,
) -> Result<Option<Why>, CollectError> {
    let Some((mut why, excess)) = kept_by(storage, hash, retention).await? else { return Ok(None) };
    if let Some(excess) = excess {
        why.going = place(&**storage.index(), why.id, retention, excess).await?;
    }
    Ok(Some(why))
}

/// The same without the place among the paths that go, and the limits that may let the path go, where some do.
pub(crate) async fn kept_by(
    storage: &Storage,
    hash: &HashPart,
    retention: &Retention,
) -> Result<Option<(Why, Option<Excess>)>, CollectError> {
    let index = &**storage.index();
    let Some((record, own)) = index.path_record(hash).await? else { return Ok(None) };
    let now = SystemTime::now();
    let before = |age| {
        let since = now.checked_sub(age)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    };
    let limits = (before(retention.min_age).unwrap_or(0), retention.unused_for.and_then(before));
    let mut ascent = Ascent::from(&own, limits);
    ascent.climb(index, MAX_LOOKED_AT_FIRST).await?;
    let mut descent = Descent::default();
    let mut met = None;
    if ascent.lacks_root() {
        met = descent.find(index, &ascent.seen, MAX_BELOW_ROOTS_FIRST).await?;
    }
    if met.is_none() && ascent.lacks_root() {
        ascent.climb(index, MAX_LOOKED_AT).await?;
    }
    if met.is_none() && ascent.lacks_root() {
        met = descent.find(index, &ascent.seen, usize::MAX).await?;
    }
    let is_complete = !ascent.is_cut;
    let Ascent { nearest: Nearest { root, young, used }, towards, .. } = ascent;
    let root = match (root, met) {
        (Some((name, id)), _) => Some((name, chain(index, &towards, id).await?)),
        (None, Some(met)) => {
            let mut ids = descent.chain(met);
            ids.extend(ids_of_chain(&towards, met).skip(1));
            let paths = names(index, &ids).await?;
            let roots = match paths.first() {
                Some(named) => index.roots_naming(&named.hash_part(), 1).await?,
                None => Vec::new(),
            };
            // The root may have gone meanwhile.
            roots.into_iter().next().map(|name| (name, paths))
        }
        (None, None) => None,
    };
    let (mut present_bytes, mut excess) = (None, None);
    if root.is_none() && young.is_none() {
        let missing = missing_on_disk(storage, retention).await?;
        if retention.max_size.is_some() || retention.keep_free.is_some() {
            present_bytes = Some(index.stored_since(0).await?.all);
        }
        let is_full = present_bytes.is_some_and(|bytes| retention.is_nearly_full(bytes));
        if is_full || missing > 0 || retention.max_closures.is_some() {
            excess = Some(Excess { is_full, missing });
        }
    }
    let why = Why {
        id: own.id,
        record,
        root,
        young: chain_of(index, &towards, young).await?,
        used: chain_of(index, &towards, used).await?,
        is_complete,
        present_bytes,
        going: None,
    };
    Ok(Some((why, excess)))
}

/// The place of a path among those that go by the limits.
async fn place(
    index: &dyn Index,
    id: i64,
    retention: &Retention,
    excess: Excess,
) -> Result<Option<RemovalPlace>, CollectError> {
    let (policy, missing) = (excess.policy(retention), excess.missing);
    let (graph, plan) = planned(index, &policy, missing, SystemTime::now()).await?;
    let Some(path) = graph.number(id) else { return Ok(None) };
    let Some(Verdict::Goes(cause)) = plan.verdicts.get(path).copied() else { return Ok(None) };
    let place = plan.going.iter().position(|going| *going == path);
    Ok(place.map(|place| RemovalPlace { cause, place: place + 1, count: plan.going.len() }))
}

/// Paths that refer to one, directly or not, as far as they were looked at: the nearest first.
struct Ascent {
    nearest: Nearest,
    limits: (i64, Option<i64>),
    /// For each path, one that it refers to on the way to the path that is asked about.
    towards: HashMap<i64, i64>,
    seen: HashSet<i64>,
    /// Paths whose referrers were not all looked at.
    open: VecDeque<i64>,
    /// Whether there are more of them than may be looked at.
    is_cut: bool,
}

impl Ascent {
    fn from(own: &Referrer, limits: (i64, Option<i64>)) -> Self {
        let mut nearest = Nearest::default();
        nearest.see(own, limits);
        Self {
            nearest,
            limits,
            towards: HashMap::new(),
            seen: HashSet::from([own.id]),
            open: VecDeque::from([own.id]),
            is_cut: false,
        }
    }

    /// Looks at referrers until all reasons are found, or so many were looked at.
    async fn climb(&mut self, index: &dyn Index, limit: usize) -> Result<(), IndexError> {
        self.is_cut = false;
        while !self.open.is_empty() && !self.nearest.is_settled(self.limits.1.is_some()) {
            let most =
                if self.nearest.has_reason() { limit.min(MAX_LOOKED_AT_FIRST) } else { limit };
            let room = most.saturating_sub(self.seen.len());
            if room == 0 {
                self.is_cut = true;
                break;
            }
            let batch: Vec<i64> = self.open.iter().take(EXPLAINED_BATCH).copied().collect();
            // One more than there is room for tells whether that was all.
            let found = index.referrers_of(&batch, self.seen.len() + room).await?;
            let is_all = found.len() < self.seen.len() + room;
            for (reference, referrer) in found {
                if self.seen.insert(referrer.id) {
                    self.towards.insert(referrer.id, reference);
                    self.nearest.see(&referrer, self.limits);
                    self.open.push_back(referrer.id);
                }
            }
            if !is_all {
                self.is_cut = true;
                break;
            }
            self.open.drain(..batch.len());
        }
        Ok(())
    }

    /// Whether roots may need the path, and none was found.
    fn lacks_root(&self) -> bool {
        self.is_cut && self.nearest.root.is_none()
    }
}

async fn chain_of(
    index: &dyn Index,
    towards: &HashMap<i64, i64>,
    from: Option<i64>,
) -> Result<Option<Vec<StorePath>>, IndexError> {
    Ok(match from {
        Some(from) => Some(chain(index, towards, from).await?),
        None => None,
    })
}

/// The paths from one to the path that is asked about.
async fn chain(
    index: &dyn Index,
    towards: &HashMap<i64, i64>,
    from: i64,
) -> Result<Vec<StorePath>, IndexError> {
    let ids: Vec<i64> = ids_of_chain(towards, from).collect();
    names(index, &ids).await
}

fn ids_of_chain(towards: &HashMap<i64, i64>, from: i64) -> impl Iterator<Item = i64> {
    std::iter::successors(Some(from), |id| towards.get(id).copied())
}

async fn names(index: &dyn Index, ids: &[i64]) -> Result<Vec<StorePath>, IndexError> {
    let names: HashMap<i64, StorePath> = index.paths(ids).await?.into_iter().collect();
    Ok(ids.iter().filter_map(|id| names.get(id).cloned()).collect())
}
