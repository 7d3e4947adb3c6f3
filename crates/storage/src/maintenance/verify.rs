//! Comparing storage, index and contents, and mending their differences.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    pin::pin,
};

use futures_util::StreamExt as _;
use rns_cache::{CacheError, Pusher};
use rns_formats::{HashPart, NarInfo};
use rns_verify::narinfo::{agree, name_in_url};

use super::{
    MaintenanceError, Progress,
    findings::{Finding, FindingKind},
    orphans::{orphaned_nars, remove_orphan},
    roots::verify_roots,
    scan,
};
use crate::{
    index::PathState,
    objects::ObjectKey,
    verify::check_stored,
    write::{Presence, STAGING_GRACE, Storage},
};

/// The extent of a comparison.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Whether every NAR is read, decompressed and hashed; otherwise their lengths are compared.
    pub contents: bool,
    /// Whether faults are mended: the index follows the storage, and paths that cannot be had are withdrawn, with those
    /// that refer to them, so that they can be pushed again.
    pub repair: bool,
}

/// The result.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Paths that were looked at.
    pub paths: u64,
    /// Everything that is wrong, before it was mended.
    pub findings: Vec<Finding>,
    /// Paths that were withdrawn.
    pub withdrawn: u64,
    /// Faults that are still there: all of them, where nothing was to be mended.
    pub unmended: u64,
}

/// Compares storage, index and, where asked for, contents.
///
/// # Errors
/// When storage or index cannot be used.
pub async fn verify(
    storage: &Storage,
    options: VerifyOptions,
    progress: Progress<'_>,
) -> Result<Verified, MaintenanceError> {
    let mut run = Run {
        storage,
        options,
        done: Verified::default(),
        bad: BTreeSet::new(),
        named: BTreeSet::new(),
    };
    let mut referrers: BTreeMap<HashPart, Vec<HashPart>> = BTreeMap::new();
    let (mut present, mut is_readable) = (BTreeSet::new(), true);
    {
        let mut found = pin!(scan::narinfos(storage.reader(), progress));
        while let Some(found) = found.next().await {
            let found = found?;
            run.done.paths += 1;
            match found.narinfo {
                Ok(None) => {}
                Err(error @ CacheError::Invalid { .. }) => {
                    run.find(
                        &ObjectKey::narinfo(&found.hash),
                        FindingKind::UnusableNarInfo(error.to_string()),
                    );
                    run.bad.insert(found.hash);
                }
                // One that cannot be read now is not gone.
                Err(error) => {
                    present.insert(found.hash);
                    is_readable = false;
                    tracing::warn!("{error}");
                }
                Ok(Some(stored)) => {
                    present.insert(found.hash);
                    for reference in &stored.narinfo.references {
                        referrers.entry(reference.hash_part()).or_default().push(found.hash);
                    }
                    run.path(&found.hash, &stored.narinfo).await?;
                }
            }
        }
    }
    for (reference, by) in &referrers {
        if !present.contains(reference) && is_missing(storage, reference).await {
            for referrer in by {
                run.find(
                    &ObjectKey::narinfo(referrer),
                    FindingKind::MissingReference(reference.to_string()),
                );
                run.bad.insert(*referrer);
            }
        }
    }
    run.index_only(&present).await?;
    if options.repair {
        run.withdraw(&referrers).await?;
        storage.reader().objects().sweep(STAGING_GRACE).await?;
    } else {
        run.done.unmended = run.done.findings.len() as u64;
    }
    // A narinfo that cannot be read now may name any of them.
    if is_readable {
        run.orphans().await?;
    }
    // After damaged paths are withdrawn: a root may miss one now.
    for finding in verify_roots(storage, options.repair).await? {
        run.find(&finding.key, finding.kind);
        run.done.unmended += u64::from(!finding.is_mended);
    }
    Ok(run.done)
}

/// Whether a path is certainly nowhere, at this moment: it may have been published since the storage was listed.
async fn is_missing(storage: &Storage, hash: &HashPart) -> bool {
    matches!(storage.reader().narinfo(*hash).await, Ok(None))
        && matches!(storage.presence_elsewhere(hash).await, Presence::Missing)
}

/// Who withdraws paths, in the record of deletions.
fn repairer() -> Pusher {
    Pusher { name: "storage verify --repair".to_owned(), address: None }
}

struct Run<'a> {
    storage: &'a Storage,
    options: VerifyOptions,
    done: Verified,
    /// Paths that cannot be had as they are.
    bad: BTreeSet<HashPart>,
    /// The NARs that narinfos name.
    named: BTreeSet<ObjectKey>,
}

impl Run<'_> {
    fn find(&mut self, object: &dyn fmt::Display, kind: FindingKind) {
        self.done.findings.push(Finding { object: object.to_string(), kind });
    }

    async fn path(&mut self, hash: &HashPart, narinfo: &NarInfo) -> Result<(), MaintenanceError> {
        if let Some(kind) = self.nar(narinfo).await? {
            self.find(&narinfo.store_path, kind);
            self.bad.insert(*hash);
        }
        let states = self.storage.index().states(&[*hash]).await?;
        if !matches!(
            states.first(),
            Some(Some(PathState::Published | PathState::Condemned | PathState::Deleting))
        ) {
            self.find(&narinfo.store_path, FindingKind::NotIndexed);
            if self.options.repair {
                // One that names a NAR elsewhere is not looked after by this storage.
                let is_entered = self.storage.enter_as_stored(hash).await?;
                self.done.unmended += u64::from(!is_entered);
            }
        }
        Ok(())
    }

    /// The fault of the NAR of a path.
    async fn nar(&mut self, narinfo: &NarInfo) -> Result<Option<FindingKind>, MaintenanceError> {
        let Some(name) = name_in_url(&narinfo.url) else {
            return Ok(Some(FindingKind::MissingNar));
        };
        let (objects, key) = (self.storage.reader().objects(), ObjectKey::nar(&name));
        self.named.insert(key.clone());
        let Some(info) = objects.head(&key).await? else {
            return Ok(Some(FindingKind::MissingNar));
        };
        if let Some(expected) = narinfo.file_size.filter(|size| *size != info.size) {
            return Ok(Some(FindingKind::Truncated { expected, found: info.size }));
        }
        if !self.options.contents {
            return Ok(None);
        }
        // Only as many bytes as the narinfo says are hashed: more are wrong anyway.
        let checked = check_stored(
            objects,
            &key,
            narinfo.compression,
            narinfo.nar_size,
            self.storage.decoder_memory(),
        )
        .await?;
        Ok(match checked {
            None => Some(FindingKind::MissingNar),
            Some(Err(rejection)) => Some(FindingKind::Altered(rejection.to_string())),
            Some(Ok(check)) => agree(narinfo, &check.verified())
                .err()
                .map(|error| FindingKind::Altered(error.to_string())),
        })
    }

    async fn index_only(&mut self, present: &BTreeSet<HashPart>) -> Result<(), MaintenanceError> {
        const BATCH_SIZE: usize = 1000;
        let mut after = None;
        loop {
            let known = self.storage.index().published_after(after.as_ref(), BATCH_SIZE).await?;
            let Some((last, _)) = known.last() else { return Ok(()) };
            after = Some(*last);
            for (hash, _) in &known {
                // It may have been published since the storage was listed.
                if !present.contains(hash)
                    && matches!(self.storage.reader().narinfo(*hash).await, Ok(None))
                {
                    self.find(hash, FindingKind::OnlyIndexed);
                    if self.options.repair {
                        self.storage.forget_missing(hash).await?;
                    }
                }
            }
        }
    }

    /// Finds NARs that nothing has, and removes them where that is wanted.
    async fn orphans(&mut self) -> Result<(), MaintenanceError> {
        for key in orphaned_nars(self.storage, &self.named).await? {
            self.find(&key, FindingKind::OrphanedNar);
            let is_removed = self.options.repair
                && match remove_orphan(self.storage, &key).await {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::error!("{key} cannot be removed: {error}");
                        false
                    }
                };
            self.done.unmended += u64::from(!is_removed);
        }
        Ok(())
    }

    /// Withdraws paths that cannot be had, and all that refer to them: no visible path may miss a reference.
    async fn withdraw(
        &mut self,
        referrers: &BTreeMap<HashPart, Vec<HashPart>>,
    ) -> Result<(), MaintenanceError> {
        let mut order: Vec<_> = self.bad.iter().copied().collect();
        let mut next = 0;
        while let Some(hash) = order.get(next).copied() {
            next += 1;
            for referrer in referrers.get(&hash).into_iter().flatten() {
                if self.bad.insert(*referrer) {
                    order.push(*referrer);
                }
            }
        }
        // Those that refer go before those that they refer to, also when this is cut off in the middle.
        for hash in order.iter().rev() {
            match self.storage.withdraw(*hash, &repairer()).await {
                Ok(was_there) => self.done.withdrawn += u64::from(was_there),
                Err(error) => {
                    self.done.unmended += 1;
                    tracing::error!("{hash} cannot be withdrawn: {error}");
                }
            }
        }
        Ok(())
    }
}
