//! Random policies.

use std::time::Duration;

use proptest::prelude::*;
use rns_storage::retention::Retention;

#[derive(Clone, Debug)]
pub(super) struct Policy {
    min_age: u64,
    unused_for: Option<u64>,
    /// Parts of the present paths, in percent.
    max_size: Option<u64>,
    max_closures: Option<u64>,
    keep_roots: bool,
}

impl Policy {
    pub(super) fn retention(&self, present: u64) -> Retention {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Retention {
            min_age: hours(self.min_age),
            unused_for: self.unused_for.map(hours),
            max_size: self.max_size.map(|percent| present * percent / 100),
            max_closures: self.max_closures,
            keep_roots: self.keep_roots,
            ..Retention::default()
        }
    }

    pub(super) fn has_limits(&self) -> bool {
        self.max_size.is_some() || self.max_closures.is_some()
    }
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let parts = (
        1..6_u64,
        prop::option::of(1..40_u64),
        prop::option::of(0..120_u64),
        prop::option::weighted(0.2, 0..4_u64),
        any::<bool>(),
    );
    parts.prop_map(|(min_age, unused_for, max_size, max_closures, keep_roots)| Policy {
        min_age,
        unused_for,
        max_size,
        max_closures,
        keep_roots,
    })
}
