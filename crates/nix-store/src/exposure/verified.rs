//! Which rows are known to carry valid signatures.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rns_formats::PathInfo;

use crate::db::PathRow;

/// Rows with valid signatures.
pub(super) struct VerifiedSignatures {
    known: Mutex<KnownSignatures>,
    /// So that one question checks a closure, and others wait.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) limit: usize,
}

#[derive(Default)]
pub(super) struct KnownSignatures {
    /// Rows with a valid signature, and which NAR it is of: a path that was repaired may have another.
    pub(super) signed: HashMap<i64, u64>,
    /// Rows whose whole closure has.
    pub(super) closed: HashSet<i64>,
}

impl VerifiedSignatures {
    pub(super) fn new(limit: usize) -> Self {
        Self { known: Mutex::default(), turn: tokio::sync::Mutex::default(), limit }
    }

    pub(super) fn is_known(&self, row: &PathRow) -> bool {
        let known = self.known();
        known.closed.contains(&row.id) && known.signed.get(&row.id) == Some(&mark(&row.info))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, KnownSignatures> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of the NAR's hash stands for it.
pub(super) fn mark(info: &PathInfo) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *info.nar_hash.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
