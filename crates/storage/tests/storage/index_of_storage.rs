//! An index is of one storage, and is refused for another one, in both databases.

use std::sync::Arc;

use rns_storage::{
    index::{Index, IndexError, IndexOwner, postgres::PostgresIndex, sqlite::SqliteIndex},
    objects::{ObjectKey, Objects},
};
use rns_testing::{PostgresServer, Scratch};

use super::index::{path, publish};

async fn suite(open: impl Fn(IndexOwner<'_>) -> Arc<dyn Index>) {
    let scratch = Scratch::new();
    let [one, other] = ["one", "other"].map(|directory| {
        let url = format!("file://{}", scratch.join(directory).display()).parse().unwrap();
        Objects::create(&url, false).unwrap()
    });
    for objects in [&one, &other] {
        objects
            .write_small(&ObjectKey::cache_info(), "StoreDir: /nix/store\n".into())
            .await
            .unwrap();
    }
    // Commands that only look leave an index that is of none yet as it is.
    for objects in [&one, &other] {
        open(IndexOwner::ThisOrNone(objects)).check().await.unwrap();
    }
    // One of an earlier version has paths and no name. A wrong command does not make it that of another storage.
    let earlier = open(IndexOwner::Any);
    for number in [1, 2] {
        assert!(publish(&*earlier, number, &[]).await.is_none());
        earlier.end_publish(&path(number).hash_part(), None).await.unwrap();
    }
    earlier.check().await.unwrap();
    // Its first path was lost.
    let narinfo = ObjectKey::narinfo(&path(2).hash_part());
    one.write_small(&narinfo, "StorePath: x\n".into()).await.unwrap();
    let error = open(IndexOwner::This(&other)).check().await.unwrap_err();
    assert!(matches!(error, IndexError::OtherStorage { .. }), "{error}");
    assert!(error.to_string().contains("--same-storage"), "{error}");
    for _ in 0..2 {
        open(IndexOwner::This(&one)).check().await.unwrap();
    }
    let error = open(IndexOwner::ThisOrNone(&other)).check().await.unwrap_err();
    assert!(matches!(error, IndexError::OtherStorage { .. }), "{error}");
    let index = open(IndexOwner::This(&other));
    let database = index.database();
    let [one_name, other_name] = [&one, &other].map(|objects| objects.storage_name().unwrap());
    for refused in [
        index.check().await,
        index.published_after(None, 1).await.map(|_| ()),
        index.snapshot().await.map(|_| ()),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, IndexError::OtherStorage { .. }), "{error}");
        let said = error.to_string();
        for part in
            [one_name.as_str(), other_name.as_str(), &database, "index.url", "--same-storage"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    open(IndexOwner::Any).add_storage_name(other_name).await.unwrap();
    for objects in [&one, &other] {
        open(IndexOwner::This(objects)).check().await.unwrap();
    }
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    suite(|owner| Arc::new(SqliteIndex::new(scratch.join("index.sqlite"), false).owned_by(owner)))
        .await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    suite(|owner| Arc::new(PostgresIndex::new(&server.url()).unwrap().owned_by(owner))).await;
}
