//! Hidden and missing take the same steps, and the row of a path is the truth about it.

use std::{fs, os::unix::fs::symlink, path::PathBuf, time::Duration};

use rns_cache::{BinaryCache as _, ExposurePolicy};
use rns_formats::{BuildId, DrvOutputId, HashPart, Resource, Sha256Digest, StorePath, url};
use rns_nix_store::{ExposedCache, Exposures, LocalStore, StoreConfig};
use rns_testing::{Entry, FixtureStore, LogFile, Tree};

use crate::{config, insert, nar, patterns, roots, shown, shows, view};

fn deny(deny: &[&str]) -> ExposurePolicy {
    ExposurePolicy { deny: patterns(deny), ..ExposurePolicy::default() }
}

/// Questions to the database that all kinds of questions about a path cost.
async fn cost(
    store: &ExposedCache,
    path: &StorePath,
    nar_hash: &Sha256Digest,
    build_id: u8,
) -> u64 {
    let before = store.inner().numbers().questions;
    let hash = path.hash_part();
    assert!(store.path_info(hash).await.unwrap().is_none());
    assert!(nar(store, hash).await.is_none());
    assert!(store.listing(hash).await.unwrap().is_none());
    let Some(Resource::Serve { path: root, .. }) = url::parse(&format!("/serve/{hash}"), None)
    else {
        panic!("{hash}");
    };
    assert!(store.file(hash, &root).await.unwrap().is_none());
    if let Some(Resource::Log(name)) = url::parse(&format!("/log/{path}"), None) {
        assert!(store.log(&name).await.unwrap().is_none());
    }
    let of_row = store.inner().numbers().questions - before;
    assert_eq!(of_row, 0, "{path} is looked up");
    assert!(store.find_nar(nar_hash).await.unwrap().is_empty());
    let id = BuildId::parse(&format!("{build_id:02x}{:038}", 0)).unwrap();
    assert!(store.debug_info(&id).await.unwrap().is_none());
    let id = DrvOutputId::parse(&format!("sha256:{}!out", nar_hash.to_hex())).unwrap();
    assert!(store.realisation(&id).await.unwrap().is_none());
    assert!(store.build_trace(path, "out").await.unwrap().is_none());
    store.inner().numbers().questions - before
}

#[tokio::test]
async fn hidden_and_missing_cost_the_same_questions_and_none_about_the_path() {
    let mut fixture = FixtureStore::new();
    let secret = fixture.add("secret.drv", Tree::file("secret"));
    let debug = Tree::directory([(
        "lib",
        Tree::directory([(
            "debug",
            Tree::directory([(
                ".build-id",
                Tree::directory([(
                    "01",
                    Tree::directory([(format!("{:038}.debug", 0), Tree::file("x"))]),
                )]),
            )]),
        )]),
    )]);
    fixture.add("secret-debug", debug);
    let above = insert(&mut fixture, "above.drv", &[&secret]);
    fixture.add_log(secret.as_str(), LogFile::Plain, b"log");
    fixture.add_log(above.as_str(), LogFile::Plain, b"log");
    fixture.create_realisation_tables();
    let nar_hash = fixture.info(&secret).nar_hash;
    fixture.execute(
        "insert into Realisations (drvPath, outputName, outputPath)
         select ?1, 'out', id from ValidPaths where path = ?2",
        [format!("sha256:{}", nar_hash.to_hex()), fixture.store_dir().print(&secret)],
    );
    fixture.execute(
        "insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?1, 'out', ?2)",
        [secret.as_str(), &fixture.store_dir().print(&secret)],
    );
    let missing = StorePath::parse(&format!("{}-missing.drv", "0".repeat(32))).unwrap();
    let link = fixture.root().join("link");
    symlink("/nix/store/00000000000000000000000000000000-nothing", &link).unwrap();
    for policy in [deny(&["secret*"]), roots(&[&link]), roots(&[])] {
        let store = view(&fixture, &policy).await;
        // The indexes are made at the first question.
        cost(&store, &missing, &Sha256Digest::of(b"first"), 2).await;
        let of_missing = cost(&store, &missing, &Sha256Digest::of(b"missing"), 2).await;
        let of_secret = cost(&store, &secret, &nar_hash, 1).await;
        let of_above = cost(&store, &above, &fixture.info(&above).nar_hash, 1).await;
        assert_eq!((of_secret, of_above), (of_missing, of_missing), "{policy:?}");
    }
}

#[tokio::test]
async fn until_it_is_known_what_is_shown_a_missing_realisation_is_not_missing_yet() {
    let mut fixture = FixtureStore::new();
    insert(&mut fixture, "x", &[]);
    fixture.create_realisation_tables();
    let id = DrvOutputId::parse(&format!("sha256:{}!out", "0".repeat(64))).unwrap();
    let missing = StorePath::parse(&format!("{}-missing.drv", "0".repeat(32))).unwrap();
    let fresh = || Exposures::new(LocalStore::open(config(&fixture))).cache(&deny(&["secret"]));
    fresh().realisation(&id).await.unwrap_err();
    fresh().build_trace(&missing, "out").await.unwrap_err();
    let known = fresh();
    known.exposure_known().await.unwrap();
    assert_eq!(known.realisation(&id).await.unwrap(), None);
    assert_eq!(known.build_trace(&missing, "out").await.unwrap(), None);
}

#[tokio::test]
async fn a_path_that_comes_back_with_other_references_is_judged_anew() {
    let mut fixture = FixtureStore::new();
    let secret = insert(&mut fixture, "secret", &[]);
    let again = |references: &[&StorePath]| {
        Entry::new("again", Tree::file("x"))
            .hash_part("11111111111111111111111111111111")
            .references(references.iter().copied())
    };
    let path = fixture.insert(again(&[]));
    let store = view(&fixture, &deny(&["secret"])).await;
    assert!(shows(&store, &path).await);
    fixture.forget(&path);
    fixture.remove_files(&path);
    assert!(!shows(&store, &path).await);
    fixture.insert(again(&[&secret]));
    assert!(!shows(&store, &path).await, "it refers to what is hidden now");
    fixture.forget(&path);
    fixture.remove_files(&path);
    fixture.insert(again(&[]));
    assert!(shows(&store, &path).await);
}

#[tokio::test]
async fn a_reference_that_is_added_to_a_row_counts() {
    let mut fixture = FixtureStore::new();
    let secret = insert(&mut fixture, "secret", &[]);
    let path = insert(&mut fixture, "path", &[]);
    let store = view(&fixture, &deny(&["secret"])).await;
    assert!(shows(&store, &path).await);
    // As when a valid path is registered again with more references than it had.
    fixture.execute(
        "insert into Refs select a.id, b.id from ValidPaths a, ValidPaths b where a.path = ?1 and b.path = ?2",
        [fixture.store_dir().print(&path), fixture.store_dir().print(&secret)],
    );
    assert!(!shows(&store, &path).await);
}

#[tokio::test]
async fn nothing_slips_through_while_paths_and_roots_change() {
    let mut fixture = FixtureStore::new();
    let secret = insert(&mut fixture, "secret", &[]);
    let other = insert(&mut fixture, "other", &[]);
    let again = |references: &[&StorePath]| {
        Entry::new("again", Tree::file("x"))
            .hash_part("11111111111111111111111111111111")
            .references(references.iter().copied())
    };
    let path = fixture.path_info_for(&again(&[])).path;
    let link = fixture.root().join("link");
    let (root, store_dir) = (fixture.root().to_owned(), fixture.store_dir().clone());
    let turn_to = |path: &StorePath| {
        let temporary = root.join("temporary");
        symlink(store_dir.print(path), &temporary).unwrap();
        fs::rename(temporary, &link).unwrap();
    };
    turn_to(&path);
    let policy = ExposurePolicy { roots: Some(vec![link.clone()]), ..deny(&["secret"]) };
    let stores = [view(&fixture, &policy).await, view(&fixture, &deny(&["secret"])).await];
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, path, secret) = (stores[task % 2].clone(), path.clone(), secret.clone());
            tokio::spawn(async move {
                let mut shown = 0_u32;
                for _ in 0..300 {
                    let found = store.path_info(path.hash_part()).await.unwrap();
                    assert!(found.as_ref().is_none_or(|found| found.info.references.is_empty()));
                    assert!(!shows(&store, &secret).await);
                    shown += u32::from(found.is_some());
                }
                shown
            })
        })
        .collect();
    let mut round = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        turn_to(if round % 5 == 4 { &other } else { &path });
        fixture.insert(if round % 2 == 0 { again(&[]) } else { again(&[&secret]) });
        tokio::time::sleep(Duration::from_millis(2)).await;
        fixture.forget(&path);
        fixture.remove_files(&path);
        round += 1;
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_nar_that_hidden_paths_share_is_found_for_an_exposed_one() {
    let mut fixture = FixtureStore::new();
    let same = |name: &str, at: usize| {
        Entry::new(name, Tree::file("the same")).hash_part(&format!("{at:032}"))
    };
    let path = fixture.insert(same("public", 0));
    for at in 1..100 {
        fixture.insert(same("secret", at));
    }
    let nar_hash = fixture.info(&path).nar_hash;
    // In the index, and where that is full.
    for index_entries in [1000, 100] {
        let all =
            Exposures::new(LocalStore::open(StoreConfig { index_entries, ..config(&fixture) }));
        let store = all.cache(&deny(&["secret"]));
        store.exposure_known().await.unwrap();
        assert_eq!(store.find_nar(&nar_hash).await.unwrap(), [path.hash_part()]);
        assert_eq!(all.store().find_nar(&nar_hash).await.unwrap().len(), 32);
    }
}

#[tokio::test]
async fn another_database_is_evaluated_anew() {
    let mut fixture = FixtureStore::new();
    let first = insert(&mut fixture, "first", &[]);
    let mut other = FixtureStore::new();
    let secret = insert(&mut other, "secret", &[]);
    let second = insert(&mut other, "second", &[&secret]);
    let third = insert(&mut other, "third", &[]);
    let store = view(&fixture, &deny(&["secret"])).await;
    assert!(shows(&store, &first).await);
    fixture.close_database();
    other.close_database();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", fixture.database().display()));
    }
    fs::rename(other.database(), fixture.database()).unwrap();
    for path in [&second, &third] {
        fs::rename(other.real_path(path), fixture.real_path(path)).unwrap();
    }
    let hidden = [&first, &secret, &second].map(StorePath::hash_part);
    // Commits are seen at once, another database a moment later.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(shows(&store, &third).await);
    assert_eq!(hidden.map(|hash| store.exposes_now(&hash)), [Some(false); 3]);
    assert_eq!(shown(&store, &[&first, &second, &third]).await, ["third"]);
}

#[tokio::test]
async fn an_outage_is_no_miss() {
    let mut fixture = FixtureStore::new();
    let path = insert(&mut fixture, "x", &[]);
    let hidden = insert(&mut fixture, "secret", &[]);
    let missing = HashPart::parse(&"0".repeat(32)).unwrap();
    let store = view(&fixture, &deny(&["secret"])).await;
    fixture.connection().query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    fixture.close_database();
    let away: PathBuf = fixture.root().join("away");
    fs::copy(fixture.database(), &away).unwrap();
    fs::remove_file(fixture.database()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", fixture.database().display()));
    }
    for hash in [path.hash_part(), hidden.hash_part(), missing] {
        let error = store.path_info(hash).await.unwrap_err();
        assert!(matches!(error, rns_cache::CacheError::Unavailable { .. }), "{error}");
    }
    fs::rename(&away, fixture.database()).unwrap();
    assert!(shows(&store, &path).await && !shows(&store, &hidden).await);
    assert!(store.path_info(missing).await.unwrap().is_none());
}

#[tokio::test]
async fn many_paths_that_come_and_go_do_not_fill_the_memory() {
    let mut fixture = FixtureStore::new();
    let stays = insert(&mut fixture, "stays", &[]);
    let store = view(&fixture, &deny(&["secret"])).await;
    for _ in 0..3 {
        fixture
            .connection()
            .execute_batch(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 6000)
                 insert into ValidPaths (path, hash, registrationTime)
                 select printf('/nix/store/%032d-x', i), 'sha256:', 1 from n",
            )
            .unwrap();
        let missing = HashPart::parse(&"z".repeat(32)).unwrap();
        assert!(store.path_info(missing).await.unwrap().is_none());
        fixture.execute("delete from ValidPaths where path like '%-x'", []);
    }
    insert(&mut fixture, "last", &[]);
    assert!(shows(&store, &stays).await);
    store.path_info(HashPart::parse(&"z".repeat(32)).unwrap()).await.unwrap();
    let exposed = store.exposure_numbers().exposed;
    assert!(exposed <= 12_002, "{exposed} rows are remembered, nearly all of them gone");
}
