//! Records of paths.

use super::subject::{Specimen, nowhere};
use crate::{BinaryCache, MAX_SAMPLE, Peek};

pub(super) async fn what_is_there_is_found(cache: &dyn BinaryCache, specimen: &Specimen) {
    let (hash, expected) = (specimen.hash(), &specimen.info);
    let found = cache.path_info(hash).await;
    let record = found.unwrap_or_else(|error| panic!("{error}")).expect("it is there");
    let info = &record.info;
    assert_eq!(info.path, expected.path);
    assert_eq!((info.nar_hash, info.nar_size), (expected.nar_hash, expected.nar_size));
    assert_eq!(info.references, expected.references, "{}", info.path);
    assert_eq!(info.signatures, expected.signatures, "{}", info.path);
    assert_eq!(info.ca, expected.ca, "{}", info.path);
    assert!(!record.offer.url.is_empty());

    let again = cache.path_info(hash).await.unwrap_or_else(|error| panic!("{error}"));
    let again = again.expect("it is still there");
    if again.offer == record.offer {
        assert_eq!(again.freshness, record.freshness, "the same record is of the same state");
    }
    match cache.peek(&hash) {
        Peek::Hit { freshness, nar_hash } => {
            assert_eq!((freshness, nar_hash), (again.freshness, info.nar_hash), "{}", info.path);
        }
        Peek::Unknown => {}
        Peek::Miss => panic!("{} is there", info.path),
    }
}

pub(super) async fn what_is_not_there_is_a_miss(cache: &dyn BinaryCache) {
    for _ in 0..3 {
        assert!(!matches!(cache.peek(&nowhere()), Peek::Hit { .. }));
        assert!(cache.path_info(nowhere()).await.is_ok_and(|found| found.is_none()));
    }
}

pub(super) async fn a_sample_has_paths_that_are_there(cache: &dyn BinaryCache) {
    let sample = cache.sample().await.unwrap_or_else(|error| panic!("{error}"));
    assert!(sample.len() <= MAX_SAMPLE);
    let mut found = 0;
    for hash in sample {
        // One of a path that is damaged may be among them.
        found += usize::from(cache.path_info(hash).await.is_ok_and(|found| found.is_some()));
    }
    assert!(found > 0, "a client gets no path to try");
}
