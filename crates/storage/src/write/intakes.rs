//! NARs that are read and verified where they lie: by one task each. And which ones clients send to the bucket themselves.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, Weak},
};

use tokio::sync::Mutex;

use crate::objects::ObjectKey;

/// Which NARs clients send to the bucket themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectUploads {
    /// The smallest file for which it is worth it, in bytes.
    pub min_bytes: u64,
}

/// NARs that are being verified where they lie: by one task each, since clients ask again while it goes on.
#[derive(Clone, Default)]
pub(super) struct Intakes {
    turns: Arc<std::sync::Mutex<HashMap<ObjectKey, Weak<Mutex<()>>>>>,
}

impl Intakes {
    /// The lock of the task that verifies this NAR.
    pub(super) fn turn(&self, key: &ObjectKey) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}

impl fmt::Debug for Intakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Intakes")
    }
}
