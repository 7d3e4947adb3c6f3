//! A store or database that is not there, is locked, or cannot be understood.

use std::{fs, process::Command, thread, time::Duration};

use rns_cache::{BinaryCache as _, CacheError, Peek};
use rns_formats::{HashPart, StoreDir};
use rns_nix_store::{AbsentStore, LocalStore, StoreConfig};
use rns_testing::{FixtureStore, Tree};

use crate::support::{config, open};

#[tokio::test]
async fn a_missing_database_is_an_outage_until_it_is_there() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("x", Tree::file("x"));
    fixture.close_database();
    let away = fixture.database().with_extension("away");
    fs::rename(fixture.database(), &away).unwrap();
    let store = open(&fixture);
    assert!(matches!(store.path_info(path.hash_part()).await, Err(CacheError::Unavailable { .. })));
    assert!(!store.readiness().await.is_empty());
    fs::rename(&away, fixture.database()).unwrap();
    assert!(store.path_info(path.hash_part()).await.unwrap().is_some());
    assert!(store.readiness().await.is_empty());
}

/// A store of one path, and the answers about it under another configuration.
async fn asked_with(configure: impl FnOnce(&FixtureStore, &mut StoreConfig)) -> CacheError {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("x", Tree::file("x"));
    let mut config = config(&fixture);
    configure(&fixture, &mut config);
    let store = LocalStore::open(config);
    let error = store.path_info(path.hash_part()).await.unwrap_err();
    let same = store.readable().await.unwrap_err();
    assert_eq!(same.to_string(), error.to_string());
    assert_eq!(store.readable_blocking().unwrap_err().to_string(), error.to_string());
    assert_eq!(store.numbers().damaged, 0);
    let nobody = HashPart::parse("00000000000000000000000000000000").unwrap();
    store.path_info(nobody).await.unwrap_err();
    assert_eq!(store.peek(&nobody), Peek::Unknown);
    error
}

#[tokio::test]
async fn a_store_that_is_not_there_is_not_an_empty_one() {
    let missing =
        asked_with(|fixture, config| config.real_dir = fixture.root().join("nowhere")).await;
    assert!(missing.to_string().contains("nowhere"), "{missing}");
    assert!(matches!(missing, CacheError::Unavailable { .. }), "{missing}");

    let wrong = asked_with(|fixture, config| config.real_dir = fixture.root().to_owned()).await;
    assert!(wrong.to_string().contains("`store.real_dir`"), "{wrong}");

    let store_dir = StoreDir::parse("/gnu/store").unwrap();
    let other = asked_with(|_, config| config.store_dir = store_dir).await;
    assert!(other.to_string().contains("paths of /nix/store, and none of /gnu/store"), "{other}");
}

#[tokio::test]
async fn a_store_that_is_unmounted_while_it_is_open_is_an_outage_until_it_is_back() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("x", Tree::file("x"));
    let (store, hash) = (open(&fixture), path.hash_part());
    let nar = store.nar(hash, None).await.unwrap().unwrap();
    let (real_dir, away) = (fixture.real_dir(), fixture.root().join("away"));
    fs::rename(&real_dir, &away).unwrap();
    fs::create_dir(&real_dir).unwrap();
    let error = store.read_nar(&nar, 0..nar.size()).await.err().expect("an outage, not a miss");
    assert!(matches!(error, CacheError::Unavailable { .. }), "{error}");
    assert!(store.is_suspect(&hash), "nothing that is in memory counts");
    store.path_info(hash).await.unwrap_err();
    fs::remove_dir(&real_dir).unwrap();
    fs::rename(&away, &real_dir).unwrap();
    store.readable().await.unwrap();
    assert!(store.path_info(hash).await.unwrap().is_some());
    assert!(!store.is_suspect(&hash));
}

#[test]
fn a_pipe_in_the_place_of_the_database_holds_nothing_up() {
    let (tell, hear) = std::sync::mpsc::channel();
    // On a thread of its own: one that waits for the other end of a pipe waits for ever.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let errors = runtime.block_on(async {
            let mut fixture = FixtureStore::new();
            let hash = fixture.add("x", Tree::file("x")).hash_part();
            let store = open(&fixture);
            assert!(store.path_info(hash).await.unwrap().is_some());
            fixture.close_database();
            let mut errors = Vec::new();
            for name in ["db.sqlite", "schema"] {
                let file = fixture.database().with_file_name(name);
                fs::rename(&file, file.with_extension("away")).unwrap();
                assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
                for store in [&store, &open(&fixture)] {
                    _ = store.peek(&hash);
                    errors.push(store.path_info(hash).await.err().map(|error| error.to_string()));
                }
                fs::rename(file.with_extension("away"), &file).unwrap();
            }
            errors
        });
        tell.send(errors).unwrap();
    });
    let errors = hear.recv_timeout(Duration::from_secs(60)).expect("nothing waits for the pipe");
    assert!(errors[..2].iter().flatten().all(|error| error.contains("not a regular file")));
    assert_eq!(errors.iter().flatten().count(), 2, "the number of the schema may be missing");
}

#[tokio::test]
async fn a_missing_database_is_an_empty_store_where_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let store = LocalStore::open(StoreConfig {
        absent: AbsentStore::Empty,
        ..StoreConfig::for_root(directory.path(), Default::default())
    });
    let hash = HashPart::parse("00000000000000000000000000000000").unwrap();
    assert_eq!(store.path_info(hash).await.unwrap(), None);
    assert!(store.readiness().await.is_empty());
}

#[tokio::test]
async fn a_locked_or_corrupt_database_is_an_outage_and_heals() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("x", Tree::file("x"));
    let store = open(&fixture);
    fixture
        .connection()
        .execute_batch("pragma locking_mode=exclusive; begin exclusive; delete from Refs; commit")
        .unwrap();
    // A connection that holds the WAL exclusively shuts out all others.
    let locked = store.path_info(path.hash_part()).await;
    fixture.connection().execute_batch("pragma locking_mode=normal; select * from Refs").unwrap();
    assert!(matches!(locked, Err(CacheError::Unavailable { .. }) | Ok(Some(_))), "{locked:?}");

    fixture.close_database();
    let good = fs::read(fixture.database()).unwrap();
    fs::write(fixture.database(), vec![7; 8192]).unwrap();
    let store = open(&fixture);
    assert!(matches!(store.path_info(path.hash_part()).await, Err(CacheError::Unavailable { .. })));
    fs::write(fixture.database(), good).unwrap();
    assert!(store.path_info(path.hash_part()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_unknown_schema_is_refused_rather_than_guessed_at() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("x", Tree::file("x"));
    fs::write(fixture.database().with_file_name("schema"), "11").unwrap();
    let error = open(&fixture).path_info(path.hash_part()).await.unwrap_err();
    assert!(error.to_string().contains("11"), "{error}");
}
