//! Narinfos that were narinfo before, and are still true.
//!
//! Rendering costs a statement, a signature for each key, and formatting. What was narinfo is kept as bytes with
//! the number of the keys (read before the keys were) and the generation of the database (read before the row was).
//! While both are the same, the answer is a look-up in memory. When the generation has moved on and a commit may have
//! touched the row, it is looked up again; when that is unchanged, so are the bytes.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::http::header::HeaderValue;
use quick_cache::{Weighter, sync::Cache};
use rns_formats::{HashPart, PathInfo, Sha256Digest};
use rns_nix_store::{Doubt, Known, Witness};

use crate::response::preserialized::Preserialized;

/// After this time the path is looked for again, even when the database did not change: files can be taken away
/// behind its back.
const RECHECK: Duration = Duration::from_secs(60);

/// A narinfo as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct CachedNarinfo {
    pub(crate) prepared: Preserialized,
    pub(crate) etag: HeaderValue,
    epoch: u64,
    exposure: u64,
    generation: u64,
    /// Milliseconds after `started` of the cache.
    checked: u64,
    row: u64,
    /// What tells that the row is unchanged.
    witness: Option<Witness>,
    /// The NAR whose compressed length and hash were not known yet.
    pub(crate) awaited: Option<Sha256Digest>,
}

/// CachedNarinfo narinfos, within a bound.
pub(crate) struct NarinfoCache {
    cache: Cache<Key, Arc<CachedNarinfo>, Size>,
    started: Instant,
}

/// Which view shows which path.
type Key = (u32, HashPart);

#[derive(Clone)]
struct Size;

impl Weighter<Key, Arc<CachedNarinfo>> for Size {
    fn weight(&self, _: &Key, narinfo: &Arc<CachedNarinfo>) -> u64 {
        let witness = narinfo.witness.as_ref().map_or(0, Witness::memory_bytes);
        (narinfo.prepared.memory_bytes()
            + 64
            + size_of::<CachedNarinfo>()
            + size_of::<Key>()
            + witness) as u64
    }
}

/// What a narinfo was made from, read before it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The view that shows it.
    pub(crate) view: u32,
    /// The set of keys.
    pub(crate) epoch: u64,
    /// What is shown; see `LocalStore::exposure_epoch`.
    pub(crate) exposure: u64,
    /// The state of the database; 0 when it is not known.
    pub(crate) generation: u64,
}

impl NarinfoCache {
    pub(crate) fn new(bytes: usize) -> Self {
        let estimate = (bytes >> 10).clamp(64, 65_536);
        Self { cache: Cache::with_weighter(estimate, bytes as u64, Size), started: Instant::now() }
    }

    /// What is known to be true at this moment; `still` finds out whether what a witness has seen in a state of the
    /// database is unchanged.
    pub(crate) fn get(
        &self,
        hash: &HashPart,
        now: Moment,
        still: impl Fn(&Witness, u64) -> Option<Witness>,
    ) -> Option<Arc<CachedNarinfo>> {
        let narinfo = self.cache.get(&(now.view, *hash))?;
        let may_be = now.generation != 0
            && narinfo.epoch == now.epoch
            && narinfo.exposure == now.exposure
            && self.age(&narinfo) < RECHECK;
        if !may_be || narinfo.generation == now.generation {
            return may_be.then_some(narinfo);
        }
        let witness = still(narinfo.witness.as_ref()?, narinfo.generation)?;
        let renewed = CachedNarinfo {
            generation: now.generation,
            witness: Some(witness),
            ..CachedNarinfo::clone(&narinfo)
        };
        Some(self.keep((now.view, *hash), renewed))
    }

    /// Why a path that is not known to be unchanged is looked up.
    pub(crate) fn doubt(&self, hash: &HashPart, now: Moment) -> Doubt {
        if self.cache.peek(&(now.view, *hash)).is_some() { Doubt::Again } else { Doubt::New }
    }

    /// What was narinfo from the same row with the same keys, which is thereby true at this moment.
    pub(crate) fn renew(&self, known: &Known, now: Moment) -> Option<Arc<CachedNarinfo>> {
        let key = (now.view, known.info.path.hash_part());
        let before = self.cache.get(&key)?;
        if before.epoch != now.epoch || before.row != digest(&known.info) {
            return None;
        }
        let renewed = CachedNarinfo {
            exposure: now.exposure,
            generation: now.generation,
            checked: self.elapsed(),
            witness: known.witness.clone(),
            ..CachedNarinfo::clone(&before)
        };
        Some(self.keep(key, renewed))
    }

    /// Keeps a narinfo. Without length and hash of the compressed NAR, it is complete only until these are known.
    pub(crate) fn insert(
        &self,
        known: &Known,
        prepared: Preserialized,
        etag: HeaderValue,
        made: Moment,
        complete: bool,
    ) -> Arc<CachedNarinfo> {
        let info = &known.info;
        let narinfo = CachedNarinfo {
            prepared,
            etag,
            epoch: made.epoch,
            exposure: made.exposure,
            generation: made.generation,
            checked: self.elapsed(),
            row: digest(info),
            witness: known.witness.clone(),
            awaited: (!complete).then_some(info.nar_hash),
        };
        self.keep((made.view, info.path.hash_part()), narinfo)
    }

    fn keep(&self, key: Key, narinfo: CachedNarinfo) -> Arc<CachedNarinfo> {
        let narinfo = Arc::new(narinfo);
        self.cache.insert(key, Arc::clone(&narinfo));
        narinfo
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    fn age(&self, narinfo: &CachedNarinfo) -> Duration {
        Duration::from_millis(self.elapsed().saturating_sub(narinfo.checked))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Everything that a narinfo says, as a number to compare.
fn digest(info: &PathInfo) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&info.path, &info.nar_hash, info.nar_size, &info.references, &info.deriver, info.ultimate)
        .hash(&mut hasher);
    for signature in &info.signatures {
        signature.to_string().hash(&mut hasher);
    }
    info.ca.as_ref().map(ToString::to_string).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use rns_formats::{Sha256Digest, StorePath};

    use super::*;

    fn never(_: &Witness, _: u64) -> Option<Witness> {
        unreachable!("there are no witnesses")
    }

    fn info(size: u64) -> Known {
        let info = PathInfo {
            path: StorePath::parse("00000000000000000000000000000001-x").unwrap(),
            nar_hash: Sha256Digest::of(b"x"),
            nar_size: size,
            references: Vec::new(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            ultimate: false,
            registration_time: 0,
        };
        Known { info: info.into(), witness: None }
    }

    fn filled(made: Moment) -> (NarinfoCache, HashPart) {
        let cache = NarinfoCache::new(1 << 20);
        cache.insert(
            &info(1),
            Preserialized::new(&crate::response::not_found(), b"text"),
            HeaderValue::from_static("\"x\""),
            made,
            true,
        );
        (cache, info(1).info.path.hash_part())
    }

    #[test]
    fn an_entry_is_used_only_while_keys_and_database_are_the_same() {
        let made = Moment { view: 0, epoch: 3, exposure: 5, generation: 7 };
        let (cache, hash) = filled(made);
        assert!(cache.get(&hash, made, never).is_some());
        assert!(cache.get(&hash, Moment { generation: 8, ..made }, never).is_none());
        assert!(cache.get(&hash, Moment { epoch: 4, ..made }, never).is_none());
        assert!(cache.get(&hash, Moment { exposure: 6, ..made }, never).is_none());
    }

    #[test]
    fn an_unknown_state_of_the_database_proves_nothing() {
        let made = Moment { view: 0, epoch: 3, exposure: 5, generation: 0 };
        let (cache, hash) = filled(made);
        assert!(cache.get(&hash, made, never).is_none());
    }

    #[test]
    fn an_unchanged_row_renews_an_entry_and_a_changed_one_does_not() {
        let made = Moment { view: 0, epoch: 3, exposure: 5, generation: 7 };
        let later = Moment { generation: 9, ..made };
        let (cache, hash) = filled(made);
        assert!(cache.renew(&info(2), later).is_none());
        assert!(cache.get(&hash, later, never).is_none());
        assert!(cache.renew(&info(1), later).is_some());
        assert!(cache.get(&hash, later, never).is_some());
        let other = Moment { exposure: 6, ..later };
        assert!(cache.renew(&info(1), other).is_some());
        assert!(
            cache.get(&hash, later, never).is_none() && cache.get(&hash, other, never).is_some()
        );
        assert!(cache.renew(&info(1), Moment { epoch: 4, ..later }).is_none());
    }
}
