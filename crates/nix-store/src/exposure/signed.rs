//! Which signatures are valid: found out at the first question for a path, for its whole closure, and remembered.

use std::{collections::HashSet, sync::Arc};

use rns_cache::ExposurePolicy;
use rns_formats::PathInfo;
use tokio::task::spawn_blocking;

use super::{
    exposed_paths::ExposedPaths,
    verified::{KnownSignatures, mark},
};
use crate::{
    CacheError,
    db::{Database, PathRow, path_by_id},
};

/// Signatures that are checked before others get a turn.
const MAX_SIGNATURES_AT_ONCE: usize = 256;

/// How far a check has come.
struct SignatureWalk {
    next: Vec<i64>,
    reached: HashSet<i64>,
}

enum CheckStep {
    More(SignatureWalk),
    Valid(SignatureWalk),
    Invalid(i64),
}

impl ExposedPaths {
    /// Whether a path and all its references carry valid signatures. A path that does not is hidden from then on.
    pub(super) async fn is_signed(
        self: &Arc<Self>,
        database: &Database,
        row: &PathRow,
    ) -> Result<bool, CacheError> {
        if self.is_known_to_be_signed(row) {
            return Ok(true);
        }
        let mut walk = SignatureWalk { next: vec![row.id], reached: HashSet::from([row.id]) };
        loop {
            let turn = self.verified.turn.lock().await;
            let (paths, database) = (Arc::clone(self), database.clone());
            let step = spawn_blocking(move || paths.check(&database, walk));
            let step = step.await.map_err(|_| CacheError::ShuttingDown)??;
            drop(turn);
            match step {
                CheckStep::More(more) => walk = more,
                CheckStep::Valid(walk) => {
                    self.verified.known().closed.extend(walk.reached);
                    return Ok(true);
                }
                CheckStep::Invalid(row) => {
                    self.condemn(row).await?;
                    return Ok(false);
                }
            }
        }
    }

    /// The same without finding it out. `false` says nothing.
    pub(super) fn is_known_to_be_signed(&self, row: &PathRow) -> bool {
        self.policy.signed_by.is_none() || self.verified.is_known(row)
    }

    fn check(&self, database: &Database, mut walk: SignatureWalk) -> Result<CheckStep, CacheError> {
        for _ in 0..MAX_SIGNATURES_AT_ONCE {
            let Some(id) = walk.next.pop() else { return Ok(CheckStep::Valid(walk)) };
            let store_dir = self.source.store_dir.clone();
            let found = database
                .ask_blocking(|connection| path_by_id(connection, &store_dir, id))?
                .flatten();
            // A row that is gone or makes no sense has no signature.
            let Some((Ok(row), references)) = found else { return Ok(CheckStep::Invalid(id)) };
            let mark = mark(&row.info);
            if self.verified.known().signed.get(&id) != Some(&mark) {
                if !is_signed(&self.policy, &row.info, &store_dir) {
                    return Ok(CheckStep::Invalid(id));
                }
                let mut known = self.verified.known();
                if known.signed.len().max(known.closed.len()) >= self.verified.limit {
                    *known = KnownSignatures::default();
                }
                known.signed.insert(id, mark);
            }
            let known = self.verified.known();
            for reference in references {
                if !known.closed.contains(&reference) && walk.reached.insert(reference) {
                    walk.next.push(reference);
                }
            }
        }
        Ok(CheckStep::More(walk))
    }
}

fn is_signed(policy: &ExposurePolicy, info: &PathInfo, store_dir: &rns_formats::StoreDir) -> bool {
    let fingerprint = info.fingerprint(store_dir);
    policy
        .signed_by
        .iter()
        .flatten()
        .any(|key| info.signatures.iter().any(|signature| key.verify(&fingerprint, signature)))
}
