//! Looking up paths and reading NARs in a store on disk.

#![allow(clippy::unwrap_used, clippy::or_fun_call, reason = "tests fail loudly")]

use std::{fs, os::unix::fs::symlink, process::Command, thread, time::Duration};

use rns_cache::{BinaryCache as _, BlobBody, CacheError, Chunks as _, Peek};
use rns_formats::{HashPart, Sha256Digest, StoreDir, StorePath};
use rns_nix_store::{AbsentStore, LocalStore, StoreConfig, Verify};
use rns_testing::{Entry, FixtureStore, Standard, Tree};

fn config(store: &FixtureStore) -> StoreConfig {
    StoreConfig {
        daemon_socket: None,
        busy_timeout: Duration::from_millis(50),
        ..StoreConfig::for_root(store.root(), store.store_dir().clone())
    }
}

fn open(store: &FixtureStore) -> LocalStore {
    LocalStore::open(config(store))
}

/// All bytes of a range, or how far it came and why not further.
async fn read(
    store: &LocalStore,
    path: &StorePath,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, (Vec<u8>, CacheError)> {
    let nar = store.nar(path.hash_part(), None).await.unwrap().expect("the path is valid");
    let range = range.unwrap_or(0..nar.size());
    match store.read_nar(&nar, range).await.unwrap().expect("the path is still there") {
        BlobBody::Whole(bytes) => Ok(bytes.to_vec()),
        BlobBody::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next_chunk().await {
                match chunk {
                    Ok(chunk) => all.extend_from_slice(&chunk),
                    Err(error) => return Err((all, error)),
                }
            }
            Ok(all)
        }
    }
}

#[tokio::test]
async fn a_valid_path_is_found_with_everything_that_was_registered() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    for path in [&fixture.tree, &fixture.top, &fixture.itself, &fixture.special] {
        let info = store.path_info(path.hash_part()).await.unwrap().expect("registered");
        assert_eq!(*info, *fixture.store.info(path));
    }
}

#[tokio::test]
async fn a_hash_part_that_sorts_just_before_a_path_is_a_miss() {
    let mut fixture = FixtureStore::new();
    fixture.insert(Entry::new("x", Tree::file("x")).hash_part("00000000000000000000000000000001"));
    let store = open(&fixture);
    let before = HashPart::parse("00000000000000000000000000000000").unwrap();
    assert_eq!(store.path_info(before).await.unwrap(), None);
    let after = HashPart::parse("00000000000000000000000000000002").unwrap();
    assert_eq!(store.path_info(after).await.unwrap(), None);
}

#[tokio::test]
async fn a_path_registered_while_the_store_is_open_is_seen_at_once() {
    let mut fixture = FixtureStore::new();
    let early = fixture.add("early", Tree::file("1"));
    let store = open(&fixture);
    assert!(store.path_info(early.hash_part()).await.unwrap().is_some());
    let late = fixture.add("late", Tree::file("2"));
    assert!(store.path_info(late.hash_part()).await.unwrap().is_some());
    fixture.forget(&early);
    assert!(store.path_info(early.hash_part()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_replaced_database_is_opened_anew() {
    let mut fixture = FixtureStore::new();
    let first = fixture.add("first", Tree::file("1"));
    let mut other = FixtureStore::new();
    let second = other.add("second", Tree::file("2"));
    let store = open(&fixture);
    assert!(store.path_info(first.hash_part()).await.unwrap().is_some());

    fixture.close_database();
    other.close_database();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", fixture.database().display()));
    }
    fs::rename(other.database(), fixture.database()).unwrap();
    fs::rename(other.real_path(&second), fixture.real_path(&second)).unwrap();
    assert!(store.path_info(second.hash_part()).await.unwrap().is_some());
    assert!(store.path_info(first.hash_part()).await.unwrap().is_none());
}

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

#[tokio::test]
async fn nars_are_those_that_were_registered() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let all = [
        &fixture.tree,
        &fixture.dep,
        &fixture.top,
        &fixture.itself,
        &fixture.executable,
        &fixture.link,
        &fixture.blob,
        &fixture.special,
        &fixture.bytes,
    ];
    for path in all {
        let nar = read(&store, path, None).await.unwrap();
        assert_eq!(Sha256Digest::of(&nar), fixture.store.info(path).nar_hash, "{path}");
        assert_eq!(nar, fixture.store.nar(path), "{path}");
    }
}

#[tokio::test]
async fn any_range_is_that_part_of_the_whole() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let nar = fixture.store.nar(&fixture.blob);
    let len = nar.len() as u64;
    for range in
        [0..1, 0..len, 95..97, 1_000_000..len, 300_000..900_001, len - 10..len, len - 1..len]
    {
        let part = read(&store, &fixture.blob, Some(range.clone())).await.unwrap();
        assert_eq!(part, nar[range.start as usize..range.end as usize], "{range:?}");
    }
}

#[tokio::test]
async fn a_nar_that_was_built_anew_is_not_the_one_that_was_asked_for() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let other = Sha256Digest::of(b"another NAR");
    assert!(store.nar(fixture.tree.hash_part(), Some(other)).await.unwrap().is_none());
    let right = fixture.store.info(&fixture.tree).nar_hash;
    assert!(store.nar(fixture.tree.hash_part(), Some(right)).await.unwrap().is_some());
}

#[tokio::test]
async fn rows_without_a_size_get_it_from_the_files() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("old", Tree::file("from an old Nix"));
    fixture.execute("update ValidPaths set narSize = null", []);
    let store = open(&fixture);
    let info = store.path_info(path.hash_part()).await.unwrap().unwrap();
    assert_eq!(info.nar_size, fixture.nar(&path).len() as u64);
}

#[tokio::test]
async fn files_that_are_gone_or_changed_in_size_make_a_miss() {
    let mut fixture = FixtureStore::new();
    let gone = fixture.add("gone", Tree::file("1"));
    let longer = fixture.add("longer", Tree::directory([("a", Tree::with_mode(0o644, "2"))]));
    let store = open(&fixture);
    fixture.remove_files(&gone);
    assert!(store.path_info(gone.hash_part()).await.unwrap().is_none());
    assert!(store.nar(gone.hash_part(), None).await.unwrap().is_none());
    fs::write(fixture.real_path(&longer).join("a"), "much longer than before").unwrap();
    assert!(store.nar(longer.hash_part(), None).await.unwrap().is_none());
    // A path that is known to be damaged is not announced either.
    assert!(store.path_info(longer.hash_part()).await.unwrap().is_none());
}

#[tokio::test]
async fn altered_contents_are_never_sent_as_a_whole_nar() {
    let mut fixture = FixtureStore::new();
    let small = fixture.add("small", Tree::with_mode(0o644, "aaaa"));
    let large =
        fixture.add("large", Tree::directory([("f", Tree::with_mode(0o644, vec![1; 1_000_000]))]));
    let store = open(&fixture);
    fs::write(fixture.real_path(&small), "bbbb").unwrap();
    fs::write(fixture.real_path(&large).join("f"), vec![2; 1_000_000]).unwrap();

    let nar = store.nar(small.hash_part(), None).await.unwrap().unwrap();
    assert!(
        store.read_nar(&nar, 0..nar.size()).await.unwrap().is_none(),
        "found out before the first byte"
    );

    let (sent, error) = read(&store, &large, None).await.unwrap_err();
    assert!((sent.len() as u64) < fixture.info(&large).nar_size, "the end is withheld");
    assert!(matches!(error, CacheError::Damaged { .. }), "{error}");
    assert!(
        store.path_info(large.hash_part()).await.unwrap().is_none(),
        "and the path is not announced any more"
    );
    assert_eq!(store.numbers().damaged, 2);
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("small", Tree::with_mode(0o644, "aaaa"));
    fs::write(fixture.real_path(&path), "bbbb").unwrap();
    let store = LocalStore::open(StoreConfig { verify: Verify::Never, ..config(&fixture) });
    assert_ne!(read(&store, &path, None).await.unwrap(), fixture.nar(&path));
}

#[tokio::test]
async fn a_directory_exchanged_for_a_link_is_not_followed() {
    let mut fixture = FixtureStore::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), vec![9; 400_000]).unwrap();
    let path = fixture.add(
        "tree",
        Tree::directory([("d", Tree::directory([("f", Tree::file(vec![1; 400_000]))]))]),
    );
    let store = open(&fixture);
    let nar = store.nar(path.hash_part(), None).await.unwrap().unwrap();
    let d = fixture.real_path(&path).join("d");
    fs::rename(&d, d.with_extension("away")).unwrap();
    symlink(outside.path(), &d).unwrap();
    let body = store.read_nar(&nar, 0..nar.size()).await.unwrap();
    assert!(body.is_none(), "found out before a byte was sent");
}

#[tokio::test]
async fn many_readers_of_one_tree_walk_it_once() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let hash = fixture.tree.hash_part();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.nar(hash, None).await.unwrap().unwrap().size() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1432);
    }
    assert_eq!(store.numbers().layout_misses, 1);
}

#[tokio::test]
async fn misses_stay_true_while_paths_come_and_go() {
    let mut fixture = FixtureStore::new();
    fixture.add("early", Tree::file("early"));
    let store = open(&fixture);
    let nobody = HashPart::parse("00000000000000000000000000000000").unwrap();
    for round in 0..30 {
        // Let the index of all paths be made and used.
        for _ in 0..3 {
            assert!(store.path_info(nobody).await.unwrap().is_none());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let path = fixture.add(&format!("path-{round}"), Tree::file(format!("{round}")));
        assert!(store.path_info(path.hash_part()).await.unwrap().is_some(), "seen at once");
        fixture.forget(&path);
        assert!(store.path_info(path.hash_part()).await.unwrap().is_none(), "gone at once");
    }
}
