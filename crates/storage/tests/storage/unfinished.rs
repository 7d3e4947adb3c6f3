//! Uploads in parts whose server was killed.

use std::time::{Duration, Instant};

use object_store::{aws::AmazonS3Builder, multipart::MultipartStore as _, path::Path};
use rns_testing::SwiftServer;

use crate::support::Fixture;

/// They are removed once they are old, those of other parts of the bucket are not.
pub(crate) async fn are_removed(server: &SwiftServer) {
    let url = server.url("unfinished");
    let fixture = Fixture::of_bucket(&url).await;
    let parameters = url::Url::parse(&url).unwrap();
    let endpoint = parameters.query_pairs().find(|(name, _)| name == "endpoint").unwrap().1;
    let other = AmazonS3Builder::new()
        .with_allow_http(true)
        .with_endpoint(endpoint)
        .with_bucket_name("cache")
        .with_region("us-east-1")
        .with_access_key_id("test:tester")
        .with_secret_access_key("testing")
        .build()
        .unwrap();
    for key in ["unfinished/nar/a.nar", "unfinished/nar/b.nar", "other/nar/c.nar"] {
        other.create_multipart(&Path::from(key)).await.unwrap();
    }
    let objects = fixture.objects();
    assert_eq!(objects.sweep(Duration::from_secs(24 * 3600)).await.unwrap(), 0);
    // Swift says the second after the one in which they were begun.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut removed = 0;
    while removed < 2 && Instant::now() < deadline {
        removed += objects.sweep(Duration::ZERO).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(removed, 2);
    assert_eq!(objects.sweep(Duration::ZERO).await.unwrap(), 0);
}
