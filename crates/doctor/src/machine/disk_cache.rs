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
const MAX_ENTRIES: usize = 50;

/// The seconds for which Nix remembers that a path is missing, unless it is told otherwise.
const NEGATIVE_SECONDS: u64 = 3600;

/// The seconds for which Nix remembers a narinfo, unless it is told otherwise.
const POSITIVE_SECONDS: u64 = 30 * 24 * 3600;

/// Nix's entry about one path.
struct Entry {
    hash: HashPart,
    /// None: that it is missing.
    signatures: Option<Vec<Signature>>,
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
            let Some(client) = cache.client() else { continue };
            looked_at += entries.len();
            findings.extend(stale(machine, &client, file, &entries).await);
        }
    }
    match (findings.is_empty(), unread.is_empty()) {
        (true, false) => Outcome::Unchecked(unread.join("; ")),
        _ => Outcome::of(findings, format!("{looked_at} entries, none of them stale")),
    }
}

/// The findings about one file and one cache, at most one of each kind.
async fn stale(
    machine: &MachineSubject,
    client: &CacheClient,
    file: &Path,
    entries: &[Entry],
) -> Vec<Finding> {
    let name = file.display();
    let clear = format!("rm -f {name} {name}-wal {name}-shm");
    let trusted = machine.trusted_keys();
    let (mut negative, mut unsigned) = (None, None);
    for entry in entries {
        if negative.is_some() && unsigned.is_some() {
            break;
        }
        let Ok(Some(now)) = client.narinfo(&entry.hash, &machine.store_dir).await else { continue };
        match &entry.signatures {
            None => negative = negative.or(Some(now.store_path)),
            Some(then)
                if !is_signed(&now, then, &trusted, &machine.store_dir)
                    && is_signed(&now, &now.signatures, &trusted, &machine.store_dir) =>
            {
                unsigned = unsigned.or(Some(now.store_path));
            }
            Some(_) => {}
        }
    }
    let negative = negative.map(|path| {
        let what = format!("{name} says that {path} is missing, and {} has it", client.url());
        Finding::new(FindingId::DiskCacheNegative, what, clear.clone())
    });
    let unsigned = unsigned.map(|path| {
        let what =
            format!("{name} has {path} without the signature that {} sends now", client.url());
        Finding::new(FindingId::DiskCacheUnsigned, what, clear.clone())
    });
    negative.into_iter().chain(unsigned).collect()
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
fn read(file: &Path, url: &str, negative: u64, positive: u64) -> rusqlite::Result<Vec<Entry>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let since = |age: u64| i64::try_from(now.saturating_sub(age)).unwrap_or(i64::MAX);
    let mut statement = connection.prepare(
        "select hashPart, present, coalesce(sigs, '') from NARs \
         join BinaryCaches on NARs.cache = BinaryCaches.id \
         where rtrim(BinaryCaches.url, '/') = ?1 \
           and ((present = 0 and NARs.timestamp > ?2) or (present = 1 and NARs.timestamp > ?3)) \
         order by present, NARs.timestamp desc limit ?4",
    )?;
    let limit = i64::try_from(2 * MAX_ENTRIES).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![url, since(negative), since(positive), limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
    let mut entries = Vec::new();
    for row in rows {
        let (hash, present, signatures) = row?;
        let Ok(hash) = HashPart::parse(&hash) else { continue };
        let signatures = (present != 0).then(|| Signature::filter_valid(&signatures));
        entries.push(Entry { hash, signatures });
    }
    Ok(entries)
}
