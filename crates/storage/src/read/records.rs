//! Stored narinfos, remembered for a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use rns_cache::{CacheError, Freshness, NarOffer, PathRecord, Peek};
use rns_formats::{HashPart, MAX_NARINFO_BYTES, NarInfo, PathInfo, Sha256Digest, StoreDir};

use super::{
    file::{self, FileLocation, FileStamp, Looked},
    open_directory::OpenDirectory,
};
use crate::objects::{ObjectError, ObjectKey, Objects};

/// A stored narinfo is looked at again after so many milliseconds: a hit may be one second old.
const MAX_RECORD_AGE_MS: u64 = 900;

/// A narinfo as it is stored, and the record that it makes.
#[derive(Clone, Debug)]
pub struct StoredNarInfo {
    /// The narinfo.
    pub narinfo: NarInfo,
    /// The record of the path.
    pub record: PathRecord,
}

/// Narinfos that were read lately.
pub(super) struct RecordCache {
    records: Cache<HashPart, Arc<CachedRecord>, Weight>,
    /// Times are counted from here.
    begun: Instant,
}

struct CachedRecord {
    stored: Arc<StoredNarInfo>,
    digest: Sha256Digest,
    /// When it was last found to agree with the stored object, in milliseconds since the beginning.
    seen: AtomicU64,
    /// Of its file, where it lies in a directory.
    stamp: Option<FileStamp>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<HashPart, Arc<CachedRecord>> for Weight {
    fn weight(&self, _: &HashPart, remembered: &Arc<CachedRecord>) -> u64 {
        let narinfo = &remembered.stored.narinfo;
        let unknown = narinfo.unknown.iter().map(|(name, value)| 64 + name.len() + value.len());
        // References are held twice, as narinfo and as record.
        let lists = 192 * narinfo.references.len() + 320 * narinfo.signatures.len();
        (1024 + lists + unknown.sum::<usize>()) as u64
    }
}

impl RecordCache {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            records: Cache::with_weighter((bytes >> 11).max(64), bytes as u64, Weight),
            begun: Instant::now(),
        }
    }

    pub(super) fn resize(&self, bytes: usize) {
        self.records.set_capacity(bytes as u64);
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The answer from memory. A narinfo in a directory is remembered for as long as its file is the same, which is looked
    /// at once a second.
    pub(super) fn peek(&self, directory: Option<&OpenDirectory>, hash: &HashPart) -> Peek {
        let Some(known) = self.records.get(hash) else {
            let is_absent = directory.is_some_and(|directory| directory.lacks_narinfo(hash));
            return if is_absent { Peek::Miss } else { Peek::Unknown };
        };
        let now = self.milliseconds();
        let is_same = || {
            let stamp = |directory: &OpenDirectory| {
                FileStamp::of(&directory.open(&ObjectKey::narinfo(hash))?).ok()
            };
            let is_same = known.stamp.is_some() && directory.and_then(stamp) == known.stamp;
            if is_same {
                known.seen.store(now, Relaxed);
            }
            is_same
        };
        if now - known.seen.load(Relaxed).min(now) < MAX_RECORD_AGE_MS || is_same() {
            let StoredNarInfo { narinfo, record } = &*known.stored;
            return Peek::Hit { freshness: record.freshness, nar_hash: narinfo.nar_hash };
        }
        Peek::Unknown
    }

    pub(super) fn forget(&self, hash: &HashPart) {
        self.records.remove(hash);
    }

    pub(super) async fn load(
        &self,
        objects: &Objects,
        store_dir: &StoreDir,
        hash: HashPart,
    ) -> Result<Option<Arc<StoredNarInfo>>, CacheError> {
        let read = self.milliseconds();
        let key = ObjectKey::narinfo(&hash);
        let in_directory = match FileLocation::of(objects, &key) {
            Some(place) => file::read_small(place, MAX_NARINFO_BYTES as u64).await?,
            None => Looked::Unclear,
        };
        let (text, stamp) = match in_directory {
            Looked::Found(file) => (Some(file.bytes), file.stamp),
            Looked::Absent => (None, None),
            // This also tells a path that is not there from a directory that is not.
            Looked::Unclear => {
                let read = objects.read_small(&key, MAX_NARINFO_BYTES as u64).await;
                (read.map_err(unavailable)?, None)
            }
        };
        let Some(text) = text else {
            self.records.remove(&hash);
            return Ok(None);
        };
        let digest = Sha256Digest::of(&text);
        let known = self.records.get(&hash).filter(|known| known.digest == digest);
        let stored = match known {
            Some(known) => Arc::clone(&known.stored),
            None => Arc::new(parse(&key, &text, store_dir, hash)?),
        };
        let seen = AtomicU64::new(read);
        let remembered = CachedRecord { stored: Arc::clone(&stored), digest, seen, stamp };
        self.records.insert(hash, Arc::new(remembered));
        Ok(Some(stored))
    }
}

fn parse(
    key: &ObjectKey,
    text: &Bytes,
    store_dir: &StoreDir,
    hash: HashPart,
) -> Result<StoredNarInfo, CacheError> {
    let invalid = |why: String| CacheError::Invalid { object: key.to_string(), why };
    let text = str::from_utf8(text).map_err(|error| invalid(error.to_string()))?;
    let narinfo = NarInfo::parse(text, store_dir).map_err(|error| invalid(error.to_string()))?;
    if narinfo.store_path.hash_part() != hash {
        return Err(invalid(format!("it is about {}", narinfo.store_path)));
    }
    let record = record_of(&narinfo, text);
    Ok(StoredNarInfo { narinfo, record })
}

/// The record that a narinfo makes; `text` is the narinfo as it was read.
pub(crate) fn record_of(narinfo: &NarInfo, text: &str) -> PathRecord {
    let digest = Sha256Digest::of(text.as_bytes());
    let mut number = [0; 16];
    number.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    PathRecord {
        info: Arc::new(PathInfo {
            path: narinfo.store_path.clone(),
            nar_hash: narinfo.nar_hash,
            nar_size: narinfo.nar_size,
            references: narinfo.references.clone(),
            deriver: narinfo.deriver.clone(),
            signatures: narinfo.signatures.clone(),
            ca: narinfo.ca,
            ultimate: false,
            registration_time: 0,
            provenance: narinfo.provenance.clone(),
            unknown: bounded(&narinfo.unknown),
        }),
        offer: NarOffer {
            url: narinfo.url.clone(),
            compression: narinfo.compression,
            file: narinfo.file_hash.zip(narinfo.file_size),
            complete: true,
        },
        freshness: Freshness::of_record(u128::from_be_bytes(number)),
    }
}

/// Bytes of unknown fields that are passed on.
const MAX_UNKNOWN_LEN: usize = 4 << 10;

/// As many of the fields, in their order, as have room.
fn bounded(unknown: &[(String, String)]) -> Vec<(String, String)> {
    let mut left = MAX_UNKNOWN_LEN;
    let fits = |(name, value): &&(String, String)| {
        let needed = name.len() + value.len();
        let fits = needed <= left;
        left -= if fits { needed } else { 0 };
        fits
    };
    unknown.iter().filter(fits).cloned().collect()
}

/// A failure of the storage, as the server is told.
pub(crate) fn unavailable(error: ObjectError) -> CacheError {
    match error {
        ObjectError::TooLarge { key, size, limit } => CacheError::Invalid {
            object: key,
            why: format!("it has {size} bytes, more than the {limit} that it may have"),
        },
        ObjectError::Encoding { key, why } => CacheError::Invalid { object: key, why },
        error @ (ObjectError::Unavailable { .. }
        | ObjectError::NotACache { .. }
        | ObjectError::Configuration(_)
        | ObjectError::Directory { .. }) => CacheError::Unavailable {
            what: error.to_string(),
            remedy: "see that the storage is reachable and its credentials are right",
        },
    }
}
