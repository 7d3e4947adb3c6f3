//! Comparing storage, index and contents, and mending their differences.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::ready,
    pin::pin,
};

use futures_util::{StreamExt as _, stream};
use rns_cache::Pusher;
use rns_formats::HashPart;

use super::{
    MaintenanceError, ProgressObserver,
    faults::{FaultKind, StorageFault},
    look::{ExaminedPath, NarInfoState, SeenPath, look},
    orphans::orphaned_nars,
    roots::verify_roots,
    scan,
};
use crate::{
    collect::remove_orphaned_nars,
    index::PathState,
    objects::ObjectKey,
    write::{Presence, STAGING_GRACE, Storage},
};

/// Paths that are looked at at the same time: a bucket takes some milliseconds for each.
const MAX_LOOKS: usize = 32;

/// NARs that are read at the same time: each takes two threads, and memory for its decoder.
const MAX_CONTENTS: usize = 4;

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
    pub faults: Vec<StorageFault>,
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
    progress: ProgressObserver<'_>,
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
        let at_once = if options.contents { MAX_CONTENTS } else { MAX_LOOKS };
        let looks = scan::narinfos(storage.reader(), progress)
            .map(|found| async move { look(storage, options.contents, found?).await })
            .buffer_unordered(at_once);
        let mut looks = pin!(looks);
        while let Some(found) = looks.next().await {
            let ExaminedPath { hash, seen } = found?;
            run.done.paths += 1;
            match seen {
                NarInfoState::Gone => {}
                NarInfoState::Unusable(error) => {
                    run.find(
                        &ObjectKey::narinfo(&hash),
                        FaultKind::UnusableNarInfo(error.to_string()),
                    );
                    run.bad.insert(hash);
                }
                NarInfoState::Unreadable => {
                    present.insert(hash);
                    is_readable = false;
                }
                NarInfoState::Path(path) => {
                    present.insert(hash);
                    for reference in &path.stored.narinfo.references {
                        referrers.entry(reference.hash_part()).or_default().push(hash);
                    }
                    run.path(hash, path).await?;
                }
            }
        }
    }
    let absent = referrers.keys().filter(|reference| !present.contains(*reference)).copied();
    let asked = stream::iter(absent.collect::<Vec<_>>())
        .map(|reference| async move { is_missing(storage, &reference).await.then_some(reference) });
    let missing: BTreeSet<HashPart> =
        asked.buffer_unordered(MAX_LOOKS).filter_map(ready).collect().await;
    for reference in &missing {
        let is_left = storage.names_nowhere_else() && !was_here(storage, reference).await?;
        for referrer in referrers.get(reference).into_iter().flatten() {
            run.find(
                &ObjectKey::narinfo(referrer),
                FaultKind::MissingReference(reference.to_string()),
            );
            if is_left {
                run.done.unmended += 1;
            } else {
                run.bad.insert(*referrer);
            }
        }
    }
    run.index_only(&present).await?;
    if options.repair {
        run.withdraw(&referrers).await?;
        storage.reader().objects().sweep(STAGING_GRACE).await?;
    } else {
        run.done.unmended = run.done.faults.len() as u64;
    }
    // A narinfo that cannot be read now may name any of them.
    if is_readable {
        run.orphans().await?;
    }
    // After damaged paths are withdrawn: a root may miss one now.
    for fault in verify_roots(storage, options.repair).await? {
        run.find(&fault.key, fault.kind);
        run.done.unmended += u64::from(!fault.is_mended);
    }
    Ok(run.done)
}

/// Whether a path is certainly nowhere, at this moment: it may have been published since the storage was listed.
async fn is_missing(storage: &Storage, hash: &HashPart) -> bool {
    matches!(storage.reader().narinfo(*hash).await, Ok(None))
        && matches!(storage.presence_elsewhere(hash).await, Presence::Missing)
}

/// Whether the index takes a path for published that is missing. Otherwise it may have been left out of a push since an upstream
/// has it, which is known only where that is named.
async fn was_here(storage: &Storage, hash: &HashPart) -> Result<bool, MaintenanceError> {
    let states = storage.index().states(&[*hash]).await?;
    let state = states.first().copied().flatten();
    Ok(state.is_some_and(|state| state != PathState::Elsewhere))
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
    fn find(&mut self, object: &dyn fmt::Display, kind: FaultKind) {
        self.done.faults.push(StorageFault { object: object.to_string(), kind });
    }

    async fn path(&mut self, hash: HashPart, path: SeenPath) -> Result<(), MaintenanceError> {
        let narinfo = &path.stored.narinfo;
        self.named.extend(path.nar);
        if let Some(kind) = path.fault {
            self.find(&narinfo.store_path, kind);
            self.bad.insert(hash);
        }
        if !path.is_indexed {
            self.find(&narinfo.store_path, FaultKind::NotIndexed);
            if self.options.repair {
                // One that names a NAR elsewhere is not looked after by this storage.
                let is_mended = self.storage.enter_as_stored(&hash).await?
                    || matches!(self.storage.reader().narinfo(hash).await, Ok(None));
                self.done.unmended += u64::from(!is_mended);
            }
        }
        Ok(())
    }

    async fn index_only(&mut self, present: &BTreeSet<HashPart>) -> Result<(), MaintenanceError> {
        const PATHS_PAGE: usize = 1000;
        let mut after = None;
        loop {
            let known = self.storage.index().published_after(after.as_ref(), PATHS_PAGE).await?;
            let Some((last, _)) = known.last() else { return Ok(()) };
            after = Some(*last);
            for (hash, _) in &known {
                // It may have been published since the storage was listed.
                if !present.contains(hash)
                    && matches!(self.storage.reader().narinfo(*hash).await, Ok(None))
                {
                    self.find(hash, FaultKind::OnlyIndexed);
                    if self.options.repair {
                        self.storage.forget_missing(hash).await?;
                    }
                }
            }
        }
    }

    /// Finds NARs that nothing has, and removes them where that is wanted.
    async fn orphans(&mut self) -> Result<(), MaintenanceError> {
        let orphans = orphaned_nars(self.storage, &self.named).await?;
        for key in &orphans {
            self.find(key, FaultKind::OrphanedNar);
        }
        let mut left = orphans.len() as u64;
        if self.options.repair {
            left = left.saturating_sub(remove_orphaned_nars(self.storage, &orphans).await);
            if left > 0 {
                left = self.present(&orphans).await?;
            }
        }
        self.done.unmended += left;
        Ok(())
    }

    /// How many of these are there: another repair may remove some at the same time.
    async fn present(&self, keys: &[ObjectKey]) -> Result<u64, MaintenanceError> {
        let mut present = 0;
        for key in keys {
            present += u64::from(self.storage.reader().objects().head(key).await?.is_some());
        }
        Ok(present)
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
