//! An index is of one storage, and is refused for another one, in both databases.

use std::sync::Arc;

use rns_storage::{
    index::{Index, IndexError, postgres::PostgresIndex, sqlite::SqliteIndex},
    objects::{ObjectKey, Objects},
};
use rns_testing::{PostgresServer, Scratch};

use super::index::{path, publish};

/// The storage that an index must be of: any, this one, or this one or none.
enum Owner<'a> {
    Any,
    This(&'a Objects),
    ThisOrNone(&'a Objects),
}

async fn suite(open: impl Fn(Owner<'_>) -> Arc<dyn Index>) {
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
        open(Owner::ThisOrNone(objects)).check().await.unwrap();
    }
    // One of an earlier version has paths and no name. A wrong command does not make it that of another storage.
    let earlier = open(Owner::Any);
    for number in [1, 2] {
        assert!(publish(&*earlier, number, &[]).await.is_none());
        earlier.end_publish(&path(number).hash_part(), None).await.unwrap();
    }
    // Its first path was lost.
    let narinfo = ObjectKey::narinfo(&path(2).hash_part());
    one.write_small(&narinfo, "StorePath: x\n".into()).await.unwrap();
    let error = open(Owner::This(&other)).check().await.unwrap_err();
    assert!(matches!(error, IndexError::OtherStorage { .. }), "{error}");
    assert!(error.to_string().contains("--same-storage"), "{error}");
    for _ in 0..2 {
        open(Owner::This(&one)).check().await.unwrap();
    }
    let error = open(Owner::ThisOrNone(&other)).check().await.unwrap_err();
    assert!(matches!(error, IndexError::OtherStorage { .. }), "{error}");
    let index = open(Owner::This(&other));
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
    open(Owner::Any).add_storage_name(other_name).await.unwrap();
    for objects in [&one, &other] {
        open(Owner::This(objects)).check().await.unwrap();
    }
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    suite(|owner| {
        let index = SqliteIndex::new(scratch.join("index.sqlite"), false);
        Arc::new(match owner {
            Owner::Any => index,
            Owner::This(objects) => index.of_storage(objects),
            Owner::ThisOrNone(objects) => index.looking_at(objects),
        })
    })
    .await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    suite(|owner| {
        let index = PostgresIndex::new(&server.url()).unwrap();
        Arc::new(match owner {
            Owner::Any => index,
            Owner::This(objects) => index.of_storage(objects),
            Owner::ThisOrNone(objects) => index.looking_at(objects),
        })
    })
    .await;
}
