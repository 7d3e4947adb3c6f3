//! Credentials of a bucket, in files that a secrets manager exchanges.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt as _;
use rns_storage::objects::{ObjectKey, Objects, StorageUrl};
use rns_testing::{S3Server, Scratch};
use tokio::time::sleep;

use crate::support::use_credentials;

#[tokio::test]
async fn a_bucket_is_used_with_the_credentials_that_its_files_have_now() {
    let Some(server) = S3Server::start() else { return };
    let scratch = Scratch::new();
    let right = fs::read_to_string(server.credentials_file()).unwrap();
    let file = scratch.write("old", right.replace("secret_access_key = ", "secret_access_key = x"));
    let link = scratch.join("credentials");
    std::os::unix::fs::symlink(file, &link).unwrap();
    use_credentials(link.clone());
    let url: StorageUrl = server.url().parse().unwrap();
    let objects = Objects::open(&url, false).unwrap();
    let key = ObjectKey::cache_info();
    objects.head(&key).await.unwrap_err();
    let listed = objects.list(None).try_next().await.unwrap_err().to_string();
    assert!(listed.contains("cannot list its objects: "), "{listed}");
    // As secrets managers do it: another file behind the same name, and the old one goes.
    let new = scratch.write("new", right);
    std::os::unix::fs::symlink(new, scratch.join("next")).unwrap();
    fs::rename(scratch.join("next"), &link).unwrap();
    fs::remove_file(scratch.join("old")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while objects.head(&key).await.is_err() {
        assert!(Instant::now() < deadline, "the old credentials stay in use");
        sleep(Duration::from_millis(100)).await;
    }
    // Files that are gone for a moment change nothing.
    fs::remove_file(&link).unwrap();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(objects.head(&key).await.unwrap(), None);
}
