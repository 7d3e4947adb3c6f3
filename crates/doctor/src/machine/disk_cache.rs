//! Nix's own cache of narinfos: missing paths for an hour, others for 30 days.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rns_client::CacheClient;
use rns_formats::{HashPart, NarInfo, PublicKey, Signature, StoreDir};
use rusqlite::{Connection, OpenFlags, params};
use tokio::task::spawn_blocking;

use super::MachineSubject;
use crate::{Finding, FindingId, Outcome};

/// Entries of a kind that are compared with the cache, the newest first.
const MAX_COMPARED_ENTRIES: usize = 50;

/// The seconds for which Nix remembers that a path is missing, unless it is told otherwise.
const NEGATIVE_SECONDS: u64 = 3600;

/// The seconds for which Nix remembers a narinfo, unless it is told otherwise.
const POSITIVE_SECONDS: u64 = 30 * 24 * 3600;

/// Nix's entry about one path.
struct NixCacheEntry {
    hash: HashPart,
    /// None: that it is missing.
    narinfo: Option<RememberedNarInfo>,
}

/// The parts of a remembered narinfo that may be out of date.
struct RememberedNarInfo {
    signatures: Vec<Signature>,
    url: String,
}

/// Everything that entries are compared with.
struct Comparison<'a> {
    machine: &'a MachineSubject,
    client: &'a CacheClient,
    file: &'a Path,
    trusted: Vec<PublicKey>,
}

pub(super) async fn check(machine: &MachineSubject) -> Outcome {
    let mut findings = Vec::new();
    let mut unread = Vec::new();
    let mut looked_at = 0;
    for file in machine.disk_caches.iter().filter(|file| file.exists()) {
        for cache in &machine.caches {
            let ttl = |name: &str, default| {
                machine.nix_conf.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
            };
            let negative = ttl("narinfo-cache-negative-ttl", NEGATIVE_SECONDS);
            let positive = ttl("narinfo-cache-positive-ttl", POSITIVE_SECONDS);
            let (path, url) = (file.clone(), cache.plain());
            let read = spawn_blocking(move || read(&path, &url, negative, positive)).await;
            let entries = match read {
                Ok(Ok(entries)) => entries,
                Ok(Err(error)) => {
                    unread.push(format!("{} cannot be read: {error}", file.display()));
                    continue;
                }
                Err(error) => {
                    unread.push(error.to_string());
                    continue;
                }
            };
            let Some(client) = cache.client(&machine.nix_conf) else { continue };
            looked_at += entries.len();
            let trusted = machine.trusted_keys();
            let comparison = Comparison { machine, client: &client, file, trusted };
            findings.extend(comparison.stale(&entries).await);
        }
    }
    match (findings.is_empty(), unread.is_empty()) {
        (true, false) => Outcome::Unchecked(unread.join("; ")),
        _ => Outcome::of(findings, format!("{looked_at} entries, none of them stale")),
    }
}

impl Comparison<'_> {
    /// The findings about one file and one cache, at most one of each kind.
    async fn stale(&self, entries: &[NixCacheEntry]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for entry in entries {
            let asked = self.client.narinfo(&entry.hash, &self.machine.store_dir).await;
            let Ok(now) = asked else { continue };
            let finding = match (&entry.narinfo, &now) {
                (None, None) => None,
                (None, Some(now)) => Some(self.negative(now)),
                (Some(then), Some(now)) if self.was_unsigned(then, now) => Some(self.unsigned(now)),
                (Some(then), Some(now)) => self.moved(then, now).await,
                // It was collected, as paths are; Nix then builds it, or looks elsewhere.
                (Some(_), None) => None,
            };
            let finding = finding.filter(|new| findings.iter().all(|known| known.id != new.id));
            findings.extend(finding);
        }
        findings
    }

    fn negative(&self, now: &NarInfo) -> Finding {
        let (path, name, url) = (&now.store_path, self.file.display(), self.client.url());
        let what = format!("{name} says that {path} is missing, and {url} has it");
        Finding::new(FindingId::DiskCacheNegative, what, self.clear())
    }

    fn was_unsigned(&self, then: &RememberedNarInfo, now: &NarInfo) -> bool {
        let is_signed =
            |by: &[Signature]| is_signed(now, by, &self.trusted, &self.machine.store_dir);
        !is_signed(&then.signatures) && is_signed(&now.signatures)
    }

    fn unsigned(&self, now: &NarInfo) -> Finding {
        let (path, name, url) = (&now.store_path, self.file.display(), self.client.url());
        let what = format!("{name} has {path} without the signature that {url} sends now");
        Finding::new(FindingId::DiskCacheUnsigned, what, self.clear())
    }

    /// The finding about a NAR that is no more where Nix remembers it.
    async fn moved(&self, then: &RememberedNarInfo, now: &NarInfo) -> Option<Finding> {
        if now.url == then.url || self.client.has_url(&then.url).await.ok()? {
            return None;
        }
        let (name, path, old, new) = (self.file.display(), &now.store_path, &then.url, &now.url);
        let what = format!("{name} says that {path} is at {old}, and it is at {new} now");
        Some(Finding::new(FindingId::DiskCacheMoved, what, self.clear()))
    }

    /// The line that makes Nix ask again.
    fn clear(&self) -> String {
        let name = self.file.display();
        format!("rm -f {name} {name}-wal {name}-shm")
    }
}

fn is_signed(
    narinfo: &NarInfo,
    signatures: &[Signature],
    trusted: &[PublicKey],
    store_dir: &StoreDir,
) -> bool {
    let fingerprint = narinfo.fingerprint(store_dir);
    narinfo.ca.is_some()
        || signatures.iter().any(|sig| trusted.iter().any(|key| key.verify(&fingerprint, sig)))
}

/// The entries that Nix would still use. Blocks.
fn read(
    file: &Path,
    url: &str,
    negative: u64,
    positive: u64,
) -> rusqlite::Result<Vec<NixCacheEntry>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let since = |age: u64| i64::try_from(now.saturating_sub(age)).unwrap_or(i64::MAX);
    let mut statement = connection.prepare(
        "select hashPart, present, coalesce(sigs, ''), coalesce(NARs.url, '') from NARs \
         join BinaryCaches on NARs.cache = BinaryCaches.id \
         where rtrim(BinaryCaches.url, '/') = ?1 \
           and ((present = 0 and NARs.timestamp > ?2) or (present = 1 and NARs.timestamp > ?3)) \
         order by present, NARs.timestamp desc limit ?4",
    )?;
    let limit = i64::try_from(2 * MAX_COMPARED_ENTRIES).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![url, since(negative), since(positive), limit], |row| {
            let present: i64 = row.get(1)?;
            let (signatures, url): (String, String) = (row.get(2)?, row.get(3)?);
            let remembered =
                || RememberedNarInfo { signatures: Signature::filter_valid(&signatures), url };
            Ok((row.get::<_, String>(0)?, (present != 0).then(remembered)))
        })?;
    let mut entries = Vec::new();
    for row in rows {
        let (hash, narinfo) = row?;
        let Ok(hash) = HashPart::parse(&hash) else { continue };
        entries.push(NixCacheEntry { hash, narinfo });
    }
    Ok(entries)
}
