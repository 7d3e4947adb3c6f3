//! The reason why a path is kept: found by the database alone, from the path upwards, without a look at everything.

use std::collections::{HashMap, HashSet};

use rns_formats::{HashPart, StorePath};

use crate::{
    index::{Index, IndexError, PathRecord, Referrer},
    retention::Retention,
};

/// Referrers that are looked at. Above that, the reason may not be found.
const MAX_LOOKED_AT: usize = 10_000;

/// The same once something that keeps it was found.
const MAX_LOOKED_AT_WITH_REASON: usize = 1_000;

/// Rows that are asked about at once.
const BATCH: usize = 1_000;

/// The record of a path, and the reason why it is kept.
#[derive(Clone, Debug)]
pub struct Why {
    /// The path itself.
    pub record: PathRecord,
    /// A root that needs it, and the paths from the one that the root names to this one.
    pub root: Option<(String, Vec<StorePath>)>,
    /// The paths from one that is young to this one.
    pub young: Option<Vec<StorePath>>,
    /// The paths from one that is in use to this one.
    pub used: Option<Vec<StorePath>>,
    /// Whether everything that refers to it, directly or not, was looked at.
    pub is_complete: bool,
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

/// Finds the reason why a path is kept. `None`: it is not here.
///
/// # Errors
/// When the index cannot be asked.
pub async fn why(
    index: &dyn Index,
    hash: &HashPart,
    retention: &Retention,
) -> Result<Option<Why>, IndexError> {
    let Some((record, own)) = index.path_record(hash).await? else { return Ok(None) };
    let now = std::time::SystemTime::now();
    let before = |age| {
        let since = now.checked_sub(age)?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    };
    let limits = (before(retention.min_age).unwrap_or(0), retention.unused_for.and_then(before));
    let mut nearest = Nearest::default();
    nearest.see(&own, limits);
    // For each path, one that it refers to on the way to the path that is asked about.
    let mut towards: HashMap<i64, i64> = HashMap::new();
    let mut seen = HashSet::from([own.id]);
    let mut level = vec![own.id];
    let mut is_complete = true;
    while !level.is_empty() && !nearest.is_settled(limits.1.is_some()) {
        let mut next = Vec::new();
        for batch in level.chunks(BATCH) {
            let most = if nearest.has_reason() { MAX_LOOKED_AT_WITH_REASON } else { MAX_LOOKED_AT };
            let room = most.saturating_sub(seen.len());
            let found =
                if room == 0 { Vec::new() } else { index.referrers_of(batch, room).await? };
            is_complete &= found.len() < room;
            for (reference, referrer) in found {
                if seen.insert(referrer.id) {
                    towards.insert(referrer.id, reference);
                    nearest.see(&referrer, limits);
                    next.push(referrer.id);
                }
            }
        }
        level = next;
    }
    let Nearest { root, young, used } = nearest;
    let root = match root {
        Some((name, id)) => Some((name, chain(index, &towards, id).await?)),
        None => None,
    };
    Ok(Some(Why {
        record,
        root,
        young: chain_of(index, &towards, young).await?,
        used: chain_of(index, &towards, used).await?,
        is_complete,
    }))
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
    let ids: Vec<i64> = std::iter::successors(Some(from), |id| towards.get(id).copied()).collect();
    let names: HashMap<i64, StorePath> = index.paths(&ids).await?.into_iter().collect();
    Ok(ids.iter().filter_map(|id| names.get(id).cloned()).collect())
}
