//! Paths that are published, refused, and published again.

use std::time::{Duration, SystemTime};

use rns_cache::{BinaryCache as _, PublishError, Published, WritableCache as _};
use rns_formats::{Compression, NarInfo, NarName, Sha256Digest, Signature};
use rns_storage::index::{Claim, PathState, RowKind, Unused};
use rns_storage::objects::ObjectKey;
use rns_testing::Standard;

use crate::support::{Fixture, name_of, packed, pusher};

pub(crate) async fn a_nar_that_is_not_what_it_says_is_refused(fixture: Fixture) {
    let standard = Standard::new();
    let info = standard.store.info(&standard.dep);
    let nar = standard.store.nar(&standard.dep);
    let (narinfo, file) = packed(info, &nar, Compression::Zstd);
    let other = NarName::of_file(Sha256Digest::of(b"other"), Compression::Zstd);
    let refused = fixture.upload(&other, &file).await.unwrap_err();
    assert!(matches!(refused, PublishError::Mismatch { .. }), "{refused}");

    let junk = zstd::encode_all(&b"no archive"[..], 3).unwrap();
    let name = NarName::of_file(Sha256Digest::of(&junk), Compression::Zstd);
    let refused = fixture.upload(&name, &junk).await.unwrap_err();
    assert!(matches!(refused, PublishError::Malformed { .. }), "{refused}");

    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    let hash = Sha256Digest::of(b"another");
    for wrong in [
        NarInfo { nar_hash: hash, ..narinfo.clone() },
        NarInfo { nar_size: narinfo.nar_size + 8, ..narinfo.clone() },
        NarInfo { file_hash: Some(hash.into()), ..narinfo.clone() },
        NarInfo { file_size: Some(1), ..narinfo.clone() },
    ] {
        let refused = fixture.storage.publish(&wrong, &pusher()).await.unwrap_err();
        assert!(matches!(refused, PublishError::Mismatch { .. }), "{refused}");
    }
    for url in ["https://other/nar/x.nar.zst", "../x", "/nar/x.nar", "nar/../x.nar"] {
        let wrong = NarInfo { url: url.to_owned(), ..narinfo.clone() };
        let refused = fixture.storage.publish(&wrong, &pusher()).await.unwrap_err();
        assert!(matches!(refused, PublishError::Malformed { .. }), "{url}: {refused}");
    }
    assert!(fixture.storage.path_info(standard.dep.hash_part()).await.unwrap().is_none());
}

pub(crate) async fn the_first_nar_wins_and_signatures_add_up(fixture: Fixture) {
    let standard = Standard::new();
    let path = &standard.itself;
    fixture.push(standard.store.info(&standard.dep), &standard.store.nar(&standard.dep)).await;
    let first = fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    assert_eq!(fixture.storage.publish(&first, &pusher()).await.unwrap(), Published::Unchanged);

    let signature =
        |name: &str| Signature::parse(&format!("{name}:{}", "A".repeat(86) + "==")).unwrap();
    for name in ["a-1", "b-1"] {
        let more = NarInfo { signatures: vec![signature(name)], ..first.clone() };
        assert_eq!(
            fixture.storage.publish(&more, &pusher()).await.unwrap(),
            Published::SignaturesAdded
        );
    }
    let record = fixture.storage.path_info(path.hash_part()).await.unwrap().unwrap();
    assert!(record.info.signatures.contains(&signature("a-1")));
    assert!(record.info.signatures.contains(&signature("b-1")));

    // Another build of the same path.
    let nar = standard.store.nar(&standard.tree);
    let mut info = standard.store.info(path).clone();
    (info.nar_hash, info.nar_size) = (Sha256Digest::of(&nar), nar.len() as u64);
    let (other, file) = packed(&info, &nar, Compression::Zstd);
    fixture.upload(&name_of(&other), &file).await.unwrap();
    assert_eq!(fixture.storage.publish(&other, &pusher()).await.unwrap(), Published::Kept);
    let record = fixture.storage.path_info(path.hash_part()).await.unwrap().unwrap();
    assert_eq!((record.offer.url, record.info.nar_hash), (first.url, first.nar_hash));
}

pub(crate) async fn a_path_whose_narinfo_was_lost_is_published_anew(fixture: Fixture) {
    let standard = Standard::new();
    fixture.push(standard.store.info(&standard.dep), &standard.store.nar(&standard.dep)).await;
    let nar = standard.store.nar(&standard.blob);
    let info = standard.store.info(&standard.blob);
    fixture.push(info, &nar).await;
    let hash = standard.blob.hash_part();
    fixture.remove(&format!("{hash}.narinfo")).await;
    // Another build of it has another NAR, and needs a missing path.
    let mut info = info.clone();
    info.ca = None;
    info.references = [standard.dep.clone(), standard.top.clone()].into();
    let (narinfo, file) = packed(&info, &nar, Compression::None);
    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    match fixture.storage.publish(&narinfo, &pusher()).await {
        Err(PublishError::MissingReferences(missing)) => {
            assert_eq!(missing, std::slice::from_ref(&standard.top))
        }
        other => panic!("{other:?}"),
    }
    let narinfo = NarInfo { references: [standard.dep.clone()].into(), ..narinfo };
    assert_eq!(fixture.storage.publish(&narinfo, &pusher()).await.unwrap(), Published::New);
    // The index has it with this NAR and this reference: neither is collected.
    let index = fixture.storage.index();
    let published = index.published_after(None, 10).await.unwrap();
    assert!(published.contains(&(hash, ObjectKey::nar(&name_of(&narinfo)))), "{published:?}");
    let referrers = index.referrers(&standard.dep.hash_part(), 10).await.unwrap();
    assert_eq!(referrers, std::slice::from_ref(&standard.blob));
    assert_eq!(index.pushes(&hash).await.unwrap().len(), 2);
}

pub(crate) async fn references_must_be_there(fixture: Fixture) {
    let standard = Standard::new();
    let (info, nar) = (standard.store.info(&standard.top), standard.store.nar(&standard.top));
    let (narinfo, file) = packed(info, &nar, Compression::Zstd);
    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    match fixture.storage.publish(&narinfo, &pusher()).await.unwrap_err() {
        PublishError::MissingReferences(missing) => {
            assert_eq!(missing, std::slice::from_ref(&standard.dep))
        }
        other => panic!("{other}"),
    }
    assert!(fixture.storage.path_info(standard.top.hash_part()).await.unwrap().is_none());
    fixture.push(standard.store.info(&standard.dep), &standard.store.nar(&standard.dep)).await;
    assert_eq!(fixture.storage.publish(&narinfo, &pusher()).await.unwrap(), Published::New);
}

pub(crate) async fn content_addresses_are_checked(fixture: Fixture) {
    let standard = Standard::new();
    for path in [&standard.dep, &standard.top, &standard.tree] {
        let info = standard.store.info(path);
        assert!(info.ca.is_some());
        fixture.push(info, &standard.store.nar(path)).await;
    }
    // The address of another file, for the path that this address has.
    let nar = standard.store.nar(&standard.executable);
    let mut info = standard.store.info(&standard.dep).clone();
    (info.nar_hash, info.nar_size) = (Sha256Digest::of(&nar), nar.len() as u64);
    let (narinfo, file) = packed(&info, &nar, Compression::None);
    fixture.storage.delete(standard.top.hash_part(), &pusher()).await.unwrap();
    fixture.storage.delete(standard.dep.hash_part(), &pusher()).await.unwrap();
    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    let refused = fixture.storage.publish(&narinfo, &pusher()).await.unwrap_err();
    assert!(refused.to_string().contains("content address"), "{refused}");
}

pub(crate) async fn what_is_told_to_a_pusher_is_there(fixture: Fixture) {
    let standard = Standard::new();
    let hash = standard.dep.hash_part();
    assert!(!fixture.storage.promise_path(&hash).await.unwrap());
    let (info, nar) = (standard.store.info(&standard.dep), standard.store.nar(&standard.dep));
    let (narinfo, file) = packed(info, &nar, Compression::Zstd);
    assert!(!fixture.storage.promise_nar(&name_of(&narinfo)).await.unwrap());
    fixture.upload(&name_of(&narinfo), &file).await.unwrap();
    assert!(fixture.storage.promise_nar(&name_of(&narinfo)).await.unwrap());
    assert!(!fixture.storage.promise_path(&hash).await.unwrap());
    fixture.storage.publish(&narinfo, &pusher()).await.unwrap();
    assert!(fixture.storage.promise_path(&hash).await.unwrap());
    let pushes = fixture.storage.index().pushes(&standard.dep.hash_part()).await.unwrap();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].pusher, pusher());
}

pub(crate) async fn a_removed_path_is_pushed_again_whole(fixture: Fixture) {
    let standard = Standard::new();
    let (info, nar) = (standard.store.info(&standard.blob), standard.store.nar(&standard.blob));
    let hash = standard.blob.hash_part();
    let narinfo = fixture.push(info, &nar).await;
    let index = fixture.storage.index();
    // A path that a collector has condemned stays as soon as a pusher is told of it.
    let later = SystemTime::now() + Duration::from_secs(3600);
    let unused = Unused { untouched_since: later, unread_since: later };
    let rows = index.snapshot().await.unwrap().paths(0).await.unwrap();
    let ids = [rows[0].id];
    assert_eq!(index.condemn(RowKind::Paths, &ids, unused).await.unwrap(), ids);
    assert_eq!(index.states(&[hash]).await.unwrap(), [Some(PathState::Condemned)]);
    assert!(fixture.storage.promise_path(&hash).await.unwrap());
    assert_eq!(index.states(&[hash]).await.unwrap(), [Some(PathState::Published)]);
    // A collector has claimed it, and was killed before it removed anything: it is told to no pusher, and one that pushes it
    // waits until the claim is given back, and then removes the rest of it.
    index.condemn(RowKind::Paths, &ids, unused).await.unwrap();
    let claim = Claim::new();
    assert_eq!(index.claim(RowKind::Paths, &ids, unused, &claim).await.unwrap().len(), 1);
    assert_eq!(index.states(&[hash]).await.unwrap(), [Some(PathState::Deleting)]);
    assert!(!fixture.storage.promise_path(&hash).await.unwrap(), "it is told to no pusher");
    let who = pusher();
    let (published, ()) = tokio::join!(fixture.storage.publish(&narinfo, &who), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        index.give_back(RowKind::Paths, &ids, &claim).await.unwrap();
    });
    assert_eq!(published.unwrap(), Published::New);
    assert!(fixture.storage.promise_path(&hash).await.unwrap());
    // Removing and pushing at the same time leaves all of it or nothing.
    let (_, file) = packed(info, &nar, Compression::Zstd);
    for _ in 0..20 {
        let pushing = async {
            fixture.upload(&name_of(&narinfo), &file).await.unwrap();
            fixture.storage.publish(&narinfo, &pusher()).await
        };
        let removing = fixture.storage.delete(hash, &who);
        let (pushed, removed) = tokio::join!(pushing, removing);
        removed.unwrap();
        if !matches!(pushed, Ok(_) | Err(PublishError::MissingNar { .. })) {
            panic!("{pushed:?}");
        }
        let is_visible = fixture.storage.reader().narinfo(hash).await.unwrap().is_some();
        let states = index.states(&[hash]).await.unwrap();
        assert_eq!(states[0] == Some(PathState::Published), is_visible);
        if is_visible {
            assert!(fixture.storage.nar(&name_of(&narinfo)).await.unwrap().is_some());
        }
    }
}
