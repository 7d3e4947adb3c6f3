//! The paths that a collection would remove now, and why one stays, for clients that may see everything: in bounded memory, and one
//! question at a time.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use rns_cache::{AmountOf, CacheError, DryRun, GoingPath, WhyKept};
use rns_formats::{HashPart, StorePath};

use super::storage::{Storage, index_unavailable};
use crate::collect::{
    Amount, Cause, CollectError, Outlook, Reason, RemovalPlace, RootSizeLimits, fate, kept_by,
    outlook, reasons,
};

/// The fate of a path where there are too many to find out which ones a limit lets go.
const UNKNOWN_FATE: &str = "perhaps, since a limit is exceeded: `rust-nix-serve storage why PATH` knows it, on the machine \
    of the server";

fn failed(error: CollectError) -> CacheError {
    match error {
        CollectError::Index(error) => index_unavailable(error),
        CollectError::Path(error) => error,
        error @ (CollectError::Busy
        | CollectError::Clock { .. }
        | CollectError::Objects(_)
        | CollectError::TooSlow
        | CollectError::ShuttingDown) => CacheError::Unavailable {
            what: error.to_string(),
            remedy: "see that index and storage can be used",
        },
    }
}

fn amounts<T: Copy>(
    reasons: &[T],
    amounts: &[Amount],
    text: impl Fn(T) -> &'static str,
) -> Vec<AmountOf> {
    let amounts = reasons.iter().zip(amounts).filter(|(_, amount)| amount.paths > 0);
    let amounts = amounts.map(|(reason, Amount { paths, bytes })| AmountOf {
        reason: text(*reason),
        paths: *paths,
        bytes: *bytes,
    });
    amounts.collect()
}

impl Storage {
    /// `None`: the index is larger than the limits.
    async fn outlook(&self) -> Result<Option<Arc<Outlook>>, CacheError> {
        let storage = self.clone();
        let found = self.outlooks.all.get(async move {
            let found = outlook(&storage, storage.retention(), RootSizeLimits::default().memory);
            Ok::<_, CollectError>(found.await?.map(Arc::new))
        });
        found.await.map_err(|_| CacheError::ShuttingDown)?.map_err(failed)
    }

    pub(super) async fn dry_run_from(
        &self,
        after: usize,
        limit: usize,
    ) -> Result<Option<DryRun>, CacheError> {
        let Some(found) = self.outlook().await? else { return Ok(None) };
        let part: Vec<_> = found.going.iter().enumerate().skip(after).take(limit).collect();
        let ids: Vec<i64> = part.iter().map(|(_, going)| going.id).collect();
        let names = self.index.paths(&ids).await.map_err(index_unavailable)?;
        let names: HashMap<i64, StorePath> = names.into_iter().collect();
        let going = part.into_iter().filter_map(|(number, going)| {
            Some(GoingPath {
                place: number + 1,
                // It may have gone meanwhile.
                path: names.get(&going.id)?.clone(),
                cause: going.cause.text(),
                bytes: going.bytes,
                last_use: UNIX_EPOCH + Duration::from_secs(u64::from(going.last_use)),
            })
        });
        Ok(Some(DryRun {
            as_of: found.as_of,
            kept: amounts(&Reason::ALL, &found.kept, Reason::text),
            freed: amounts(&Cause::ALL, &found.freed, Cause::text),
            count: found.going.len(),
            going: going.collect(),
        }))
    }

    pub(super) async fn why_kept(&self, hash: &HashPart) -> Result<Option<WhyKept>, CacheError> {
        let _turn = self.outlooks.why.lock().await;
        let retention = self.retention();
        let found = kept_by(self, hash, retention).await.map_err(failed)?;
        let Some((mut why, excess)) = found else { return Ok(None) };
        // The list has the same policy, as of a short while ago.
        let all = if excess.is_some() { self.outlook().await? } else { None };
        let place =
            all.as_ref().and_then(|all| all.going.iter().position(|going| going.id == why.id));
        if let (Some(all), Some(place)) = (&all, place)
            && let Some(going) = all.going.get(place)
        {
            let (place, count) = (place + 1, all.going.len());
            why.going = Some(RemovalPlace { cause: going.cause, place, count });
        }
        let (reasons, fate) = if excess.is_some() && all.is_none() {
            // No root and no youth keeps it, and a limit counts more than its use.
            (Vec::new(), Some(UNKNOWN_FATE.to_owned()))
        } else {
            let reasons = reasons(&why, retention);
            let fate = fate(&why, &reasons, retention);
            (reasons, fate)
        };
        let record = why.record;
        Ok(Some(WhyKept {
            path: record.path,
            bytes: record.file_size,
            published: record.published,
            touched: record.touched,
            read: record.used,
            reasons,
            fate,
            is_complete: why.is_complete,
        }))
    }
}
