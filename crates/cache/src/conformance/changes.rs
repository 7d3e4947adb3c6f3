//! Changes by others while the cache is served.

use std::time::Duration;

use super::subject::{BackendUnderTest, nowhere};
use crate::{CacheError, Peek};

/// A hit may be so old.
const MAX_HIT_AGE: Duration = Duration::from_secs(1);

/// An outage may be noticed so late.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(100);

pub(super) async fn what_is_added_is_found_at_once(subject: &mut dyn BackendUnderTest) {
    let cache = subject.cache();
    for _ in 0..5 {
        // A cache that remembers misses remembers this one.
        _ = cache.path_info(nowhere()).await;
        let added = subject.add().await;
        assert_ne!(cache.peek(&added.hash()), Peek::Miss, "{}", added.info.path);
        let found = cache.path_info(added.hash()).await.unwrap_or_else(|error| panic!("{error}"));
        let record = found.unwrap_or_else(|| panic!("{} is there", added.info.path));
        assert_eq!(record.info.nar_hash, added.info.nar_hash);
    }
}

pub(super) async fn what_is_removed_is_a_miss_after_a_second(subject: &mut dyn BackendUnderTest) {
    let cache = subject.cache();
    let path = subject.add().await;
    assert!(cache.path_info(path.hash()).await.is_ok_and(|found| found.is_some()));
    subject.remove(&path.info.path).await;
    tokio::time::sleep(MAX_HIT_AGE).await;
    assert!(!matches!(cache.peek(&path.hash()), Peek::Hit { .. }), "{}", path.info.path);
    assert!(cache.path_info(path.hash()).await.is_ok_and(|found| found.is_none()));
    assert!(cache.listing(path.hash()).await.is_ok_and(|found| found.is_none()));
}

pub(super) async fn an_outage_is_no_miss(subject: &mut dyn BackendUnderTest) {
    if !subject.set_outage(true).await {
        return;
    }
    // A hit from just before may be answered for a moment longer.
    tokio::time::sleep(NOTICE_TIMEOUT).await;
    let cache = subject.cache();
    assert_ne!(cache.peek(&nowhere()), Peek::Miss);
    let error = cache.path_info(nowhere()).await.expect_err("it cannot say");
    assert!(matches!(error, CacheError::Unavailable { .. } | CacheError::Io { .. }), "{error}");
    assert!(!cache.readiness().await.is_empty());
    assert!(subject.set_outage(false).await);
    assert!(cache.path_info(nowhere()).await.is_ok_and(|found| found.is_none()));
    assert!(cache.readiness().await.is_empty());
}
