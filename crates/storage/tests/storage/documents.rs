//! Logs, realisations, build traces and debug information: they go after their owners, and not before.

use std::{
    collections::BTreeSet,
    fs::File,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rns_cache::{BinaryCache as _, DebugInfo, PublishError, WritableCache as _};
use rns_formats::{
    BuildId, DrvOutputId, HashPart, LogName, NarInfo, Realisation, Resource, RootName, StorePath,
};
use rns_storage::{
    collect::{DocumentCounts, DocumentKind, collect, preview},
    index::{Claim, RowKind},
    maintenance::find_documents,
    objects::ObjectKey,
    retention::Retention,
    write::PushView,
};
use rns_testing::{Entry, FixtureStore, Tree};

use crate::{
    collection::everything,
    index::derivation,
    support::{Fixture, Place, first_revision},
};

const HOUR: Duration = Duration::from_secs(3600);

/// An object with a name that no document has.
const FOREIGN: &str = "log/notes.txt";

/// A storage with two paths, of which a root keeps the first.
struct Kept {
    fixture: Fixture,
    narinfos: Vec<NarInfo>,
}

/// Paths that no root needs go at once.
fn roots_only() -> Retention {
    Retention { min_age: Duration::ZERO, keep_roots: true, ..Retention::default() }
}

fn build_id(number: usize) -> String {
    format!("{number:040}")
}

fn realisation_id(number: usize) -> String {
    format!("sha256:{number:064}!out")
}

fn realisation(number: usize, path: &StorePath) -> String {
    let id = realisation_id(number);
    format!(
        "{{\"id\":\"{id}\",\"outPath\":\"{path}\",\"signatures\":[],\"dependentRealisations\":{{}}}}"
    )
}

fn log_name(derivation: &StorePath) -> LogName {
    match rns_formats::url::parse(&format!("/log/{derivation}"), None) {
        Some(Resource::Log(name)) => name,
        other => panic!("{other:?}"),
    }
}

impl Kept {
    async fn new(place: Place) -> Option<Self> {
        let fixture = Fixture::new(place).await?;
        let (mut store, mut narinfos) = (FixtureStore::new(), Vec::new());
        for number in 0..2 {
            let entry = Entry::new(format!("path-{number}"), Tree::file([number; 5_000]));
            let made_by = format!("/nix/store/{}", derivation(number.into()));
            let path = store.insert(entry.deriver(made_by));
            narinfos.push(fixture.push(store.info(&path), &store.nar(&path)).await);
        }
        let revision = first_revision(vec![narinfos[0].store_path.clone()]);
        let name = RootName::parse("main").unwrap();
        fixture.storage.index().import_root(&name, &[revision]).await.unwrap();
        // Times are kept in whole seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        Some(Self { fixture, narinfos })
    }

    /// Writes an object past the storage, two days ago.
    async fn write(&self, key: &str, text: impl Into<Bytes>) {
        self.fixture.write(key, text).await;
        let file = self.fixture.directory.join(key);
        let file = File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - 48 * HOUR).unwrap();
    }

    /// Documents of both paths, and of a path that never was here.
    async fn write_documents(&self) {
        let absent = StorePath::parse(&format!("{:032}-absent", 7)).unwrap();
        for number in 0..3 {
            let path = self.narinfos.get(number).map_or(&absent, |narinfo| &narinfo.store_path);
            let archive = self.narinfos.get(number).map_or_else(
                || format!("../nar/{}.nar", "0".repeat(52)),
                |narinfo| format!("../{}", narinfo.url),
            );
            let made_by = derivation(number as u64);
            self.write(&format!("log/{made_by}"), "built\n").await;
            let id = realisation_id(number);
            self.write(&format!("realisations/{id}.doi"), realisation(number, path)).await;
            let trace = format!("{{\"outPath\":\"{path}\",\"signatures\":[]}}");
            self.write(&format!("build-trace-v2/{made_by}/out.doi"), trace).await;
            let info = format!("{{\"archive\":\"{archive}\",\"member\":\"lib/debug/x.debug\"}}");
            self.write(&format!("debuginfo/{}.debug", build_id(number)), info).await;
        }
        // Only its writer knows its kind.
        self.write(FOREIGN, "x").await;
        // Nothing can be made of these.
        self.write(&format!("debuginfo/{}.debug", build_id(9)), "{").await;
        self.write(&format!("{}.ls", absent.hash_part()), "{}").await;
    }

    async fn keys(&self) -> BTreeSet<String> {
        use futures_util::TryStreamExt as _;
        let listed: Vec<_> = self.fixture.objects().list(None).try_collect().await.unwrap();
        let documents = listed.into_iter().filter(|(key, _)| DocumentKind::of(key).is_some());
        documents.map(|(key, _)| key.to_string()).collect()
    }

    /// The documents that no collection removes.
    fn staying() -> BTreeSet<String> {
        Self::of(0).into_iter().chain([FOREIGN.to_owned()]).collect()
    }

    /// The keys of the documents of a path.
    fn of(number: usize) -> [String; 4] {
        let made_by = derivation(number as u64);
        [
            format!("log/{made_by}"),
            format!("realisations/{}.doi", realisation_id(number)),
            format!("build-trace-v2/{made_by}/out.doi"),
            format!("debuginfo/{}.debug", build_id(number)),
        ]
    }
}

fn counts(counts: &DocumentCounts) -> Vec<u64> {
    counts.by_kind().map(|(_, count)| count).collect()
}

#[tokio::test]
async fn documents_go_after_their_paths_and_orphans_go_too() {
    for place in [Place::Directory, Place::Bucket] {
        let Some(kept) = Kept::new(place).await else { continue };
        let storage = &kept.fixture.storage;
        kept.write_documents().await;
        find_documents(storage).await.unwrap();
        let everything = collect(storage, &Retention::default(), &|_| ()).await.unwrap();
        assert_eq!(everything.swept.documents.total(), 0, "nothing may go");
        let planned = preview(storage, &roots_only()).await.unwrap().documents;
        assert_eq!(counts(&planned.going), [2, 2, 2, 3, 0]);
        assert_eq!(counts(&planned.kept), [1, 1, 1, 1, 0]);
        let named: BTreeSet<String> = planned.named.iter().map(ToString::to_string).collect();
        assert!(Kept::of(1).iter().chain(&Kept::of(2)).all(|key| named.contains(key)), "{named:?}");
        assert_eq!(kept.keys().await.len(), 15, "a preview changes nothing");

        let done = collect(storage, &roots_only(), &|_| ()).await.unwrap();
        assert_eq!((done.swept.paths, done.swept.left), (1, 0));
        assert_eq!(counts(&done.swept.documents), [2, 2, 2, 3, 1]);
        assert_eq!(kept.keys().await, Kept::staying());
        let again = collect(storage, &roots_only(), &|_| ()).await.unwrap();
        assert_eq!(again.swept.documents.total(), 0);
        assert_eq!(counts(&again.preview.documents.kept), [1, 1, 1, 1, 0]);
    }
}

#[tokio::test]
async fn a_document_that_is_pushed_again_stays() {
    for place in [Place::Directory, Place::Bucket] {
        let Some(kept) = Kept::new(place).await else { continue };
        let storage = &kept.fixture.storage;
        kept.write_documents().await;
        // Everything of a path that is not here is pushed again; the stored objects are not written anew.
        let made_by = derivation(2);
        let log = Bytes::from_static(b"built\n");
        storage.put_log(&log_name(&made_by), log.clone(), None).await.unwrap();
        let absent = StorePath::parse(&format!("{:032}-absent", 7)).unwrap();
        let again = Realisation::parse(&realisation(2, &absent)).unwrap();
        storage.put_realisation(&again).await.unwrap();
        let listing =
            Bytes::from_static(b"{\"version\":1,\"root\":{\"type\":\"directory\",\"entries\":{}}}");
        storage.put_listing(absent.hash_part(), listing).await.unwrap();
        let id = BuildId::parse(&build_id(2)).unwrap();
        let info = DebugInfo {
            archive: format!("../{}", kept.narinfos[0].url),
            member: "lib/debug/x.debug".to_owned(),
        };
        storage.put_debug_info(&id, &info).await.unwrap();
        let found = storage.debug_info(&id).await.unwrap().unwrap();
        assert_eq!(found, info, "the NAR that the stored one names is not here");
        collect(storage, &roots_only(), &|_| ()).await.unwrap();
        let mut expected = Kept::staying();
        let [log, realisation, _, debug_info] = Kept::of(2);
        expected.extend([log, realisation, debug_info, format!("{}.ls", absent.hash_part())]);
        assert_eq!(kept.keys().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_waits_for_a_removal_and_stores_the_document_again() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    let (storage, objects) = (&kept.fixture.storage, kept.fixture.objects());
    kept.write_documents().await;
    find_documents(storage).await.unwrap();
    let key = Kept::of(2)[0].clone();
    let rows = storage.index().documents(0, 100).await.unwrap();
    let row = rows.iter().find(|row| row.key.as_str() == key).unwrap().id;
    let claim = Claim::new();
    let index = storage.index();
    let claimed = index.claim(RowKind::Documents, &[row], everything(), &claim).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let pushing = tokio::spawn({
        let storage = storage.clone();
        async move {
            let text = Bytes::from_static(b"built again\n");
            storage.put_log(&log_name(&derivation(2)), text, None).await
        }
    });
    tokio::task::yield_now().await;
    objects.delete(&ObjectKey::listed(&key)).await.unwrap();
    index.end_claims(RowKind::Documents, &[row], &claim).await.unwrap();
    pushing.await.unwrap().unwrap();
    collect(storage, &roots_only(), &|_| ()).await.unwrap();
    let stored = objects.read_small(&ObjectKey::listed(&key), 100).await.unwrap().unwrap();
    assert_eq!(stored, "built again\n");
}

#[tokio::test]
async fn a_collection_that_died_over_a_document_is_taken_up() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    let storage = &kept.fixture.storage;
    kept.write_documents().await;
    find_documents(storage).await.unwrap();
    let ids: Vec<i64> =
        storage.index().documents(0, 100).await.unwrap().iter().map(|row| row.id).collect();
    let claim = Claim::new();
    let index = storage.index();
    let claimed = index.claim(RowKind::Documents, &ids, everything(), &claim).await.unwrap();
    assert!(!claimed.is_empty());
    // Its claim lasts: another collector leaves them alone until it has ended.
    collect(storage, &roots_only(), &|_| ()).await.unwrap();
    let claimed: Vec<i64> = claimed.iter().map(|claimed| claimed.id).collect();
    assert!(kept.keys().await.is_superset(&Kept::of(2).into()));
    index.give_back(RowKind::Documents, &claimed, &claim).await.unwrap();
    collect(storage, &roots_only(), &|_| ()).await.unwrap();
    assert_eq!(kept.keys().await, Kept::staying());
}

/// Other derivations make the same path: a fetch that was written in another way, for one.
#[tokio::test]
async fn a_log_stays_with_the_path_that_its_pusher_names() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    let storage = &kept.fixture.storage;
    let paths: Vec<HashPart> =
        kept.narinfos.iter().map(|narinfo| narinfo.store_path.hash_part()).collect();
    let text = Bytes::from_static(b"built\n");
    for (number, built) in [(20, Some(&paths[0])), (21, Some(&paths[1])), (22, None)] {
        storage.put_log(&log_name(&derivation(number)), text.clone(), built).await.unwrap();
    }
    let needed = async || {
        let rows = storage.index().documents(0, 100).await.unwrap();
        let needed = rows.iter().filter(|row| row.is_needed);
        needed.map(|row| row.key.to_string()).collect::<Vec<_>>()
    };
    let logs = [20, 21].map(|number| format!("log/{}", derivation(number)));
    assert_eq!(needed().await, logs);
    let planned = preview(storage, &roots_only()).await.unwrap().documents;
    assert_eq!(counts(&planned.kept)[0], 3, "all are young");
    collect(storage, &roots_only(), &|_| ()).await.unwrap();
    assert_eq!(needed().await, logs[..1], "the second path has gone");
}

#[tokio::test]
async fn a_narinfo_that_cannot_be_read_keeps_documents() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    kept.write_documents().await;
    let hash = HashPart::parse(&format!("{:032}", 7)).unwrap();
    kept.write(&format!("{hash}.narinfo"), "StorePath: damaged\n").await;
    let done = collect(&kept.fixture.storage, &roots_only(), &|_| ()).await.unwrap();
    assert_eq!(done.swept.paths, 1);
    assert!(kept.keys().await.is_superset(&Kept::of(2).into()), "it may be their path");
}

#[tokio::test]
async fn a_realisation_that_is_refused_changes_no_owner() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    let storage = &kept.fixture.storage;
    // One from before the index knew documents.
    let [_, key, ..] = Kept::of(0);
    kept.write(&key, realisation(0, &kept.narinfos[0].store_path)).await;
    let absent = StorePath::parse(&format!("{:032}-absent", 7)).unwrap();
    let other = Realisation::parse(&realisation(0, &absent)).unwrap();
    let refused = storage.put_realisation(&other).await;
    assert!(matches!(refused, Err(PublishError::Conflict { .. })), "{refused:?}");
    let rows = storage.index().documents(0, 10).await.unwrap();
    assert!(rows[0].is_needed, "its path is here");
}

#[tokio::test]
async fn debug_info_of_older_caches_stays_with_its_nar() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    let key = format!("debuginfo/{}", build_id(5));
    let archive = &kept.narinfos[0].url;
    let text = format!("{{\"archive\":\"../{archive}\",\"member\":\"lib/debug/x.debug\"}}");
    kept.write(&key, text).await;
    collect(&kept.fixture.storage, &roots_only(), &|_| ()).await.unwrap();
    assert_eq!(kept.keys().await, BTreeSet::from([key]));
}

#[tokio::test]
async fn a_document_that_a_pusher_is_told_is_there_stays() {
    let kept = Kept::new(Place::Directory).await.unwrap();
    let storage = &kept.fixture.storage;
    kept.write_documents().await;
    let view = PushView::new(storage.clone(), Vec::new());
    assert!(view.log(&log_name(&derivation(2))).await.unwrap().is_some());
    let id = DrvOutputId::parse(&realisation_id(2)).unwrap();
    assert!(view.realisation(&id).await.unwrap().is_some());
    assert!(view.build_trace(&derivation(2), "out").await.unwrap().is_some());
    let debug_info = async |number| {
        let id = BuildId::parse(&build_id(number)).unwrap();
        view.debug_info(&id).await.unwrap()
    };
    assert!(debug_info(0).await.is_some());
    assert_eq!(debug_info(2).await, None, "the NAR that it names is not here");
    let absent = HashPart::parse(&format!("{:032}", 7)).unwrap();
    assert!(view.listing(absent).await.unwrap().is_none(), "it goes with its path");
    collect(storage, &roots_only(), &|_| ()).await.unwrap();
    let [log, realisation, trace, _] = Kept::of(2);
    let mut expected = Kept::staying();
    expected.extend([log, realisation, trace]);
    assert_eq!(kept.keys().await, expected);
}
