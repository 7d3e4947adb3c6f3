//! Listings, and misses of all small documents.

use rns_formats::{BuildId, DrvOutputId, Resource, ServePath, StorePath, url::parse};

use super::subject::{Specimen, nowhere};
use crate::BinaryCache;

pub(super) async fn a_listing_says_where_everything_is(
    cache: &dyn BinaryCache,
    specimen: &Specimen,
) {
    let listing = cache.listing(specimen.hash()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(listing.is_some(), specimen.has_listing, "{}", specimen.info.path);
    if let Some(listing) = listing {
        let text = String::from_utf8_lossy(&listing.json).into_owned();
        assert!(text.contains("\"version\":1") && text.contains("\"root\""), "{text}");
        assert!(!listing.etag.is_empty());
    }
}

pub(super) async fn what_is_not_there_is_a_miss(cache: &dyn BinaryCache) {
    let name = format!("{}-nowhere.drv", nowhere());
    let drv = StorePath::parse(&name).unwrap_or_else(|error| panic!("{error}"));
    let id = format!("sha256:{}!out", "0".repeat(64));
    let id = DrvOutputId::parse(&id).unwrap_or_else(|error| panic!("{error}"));
    let build_id = BuildId::parse(&"ab".repeat(20)).expect("it is a build id");
    let Some(Resource::Log(log)) = parse(&format!("/log/{name}"), None) else {
        panic!("{name} names a log")
    };
    let Some(Resource::Serve { hash, path }) = parse(&format!("/serve/{}/x", nowhere()), None)
    else {
        panic!("it names a file")
    };
    assert!(cache.listing(nowhere()).await.is_ok_and(|found| found.is_none()));
    assert!(cache.log(&log).await.is_ok_and(|found| found.is_none()));
    assert!(cache.realisation(&id).await.is_ok_and(|found| found.is_none()));
    assert!(cache.build_trace(&drv, "out").await.is_ok_and(|found| found.is_none()));
    assert!(cache.debug_info(&build_id).await.is_ok_and(|found| found.is_none()));
    let path: &ServePath = &path;
    assert!(cache.file(hash, path).await.is_ok_and(|found| found.is_none()));
}
