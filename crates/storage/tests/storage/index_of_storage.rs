//! An index is of one storage, and is refused for another one, in both databases.

use std::sync::Arc;

use rns_storage::{
    index::{Index, IndexError, postgres::PostgresIndex, sqlite::SqliteIndex},
    objects::{Objects, StorageName},
};
use rns_testing::{PostgresServer, Scratch};

async fn suite(open: impl Fn(Option<&StorageName>) -> Arc<dyn Index>) {
    let scratch = Scratch::new();
    let [one, other] = ["one", "other"].map(|directory| {
        let url = format!("file://{}", scratch.join(directory).display()).parse().unwrap();
        Objects::create(&url, false).unwrap().storage_name().unwrap().clone()
    });
    // A new one is of the first storage that it is used for.
    for _ in 0..2 {
        open(Some(&one)).check().await.unwrap();
    }
    let index = open(Some(&other));
    let database = index.database();
    for refused in [
        index.check().await,
        index.published_after(None, 1).await.map(|_| ()),
        index.snapshot().await.map(|_| ()),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, IndexError::OtherStorage { .. }), "{error}");
        let said = error.to_string();
        for part in [one.as_str(), other.as_str(), &database, "index.url", "--same-storage"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    open(None).add_storage_name(&other).await.unwrap();
    for name in [&one, &other] {
        open(Some(name)).check().await.unwrap();
    }
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    suite(|name| {
        let index = SqliteIndex::new(scratch.join("index.sqlite"), false);
        match name {
            Some(name) => Arc::new(index.of_storage(name)),
            None => Arc::new(index),
        }
    })
    .await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    suite(|name| {
        let index = PostgresIndex::new(&server.url()).unwrap();
        match name {
            Some(name) => Arc::new(index.of_storage(name)),
            None => Arc::new(index),
        }
    })
    .await;
}
