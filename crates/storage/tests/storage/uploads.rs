//! Uploads: accepted ones, refused ones, and the moment at which they become visible.

use std::{fs, io::Write as _};

use bytes::Bytes;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use rns_cache::{BinaryCache as _, PublishError, Published, WritableCache as _};
use rns_formats::{Compression, NarInfo, NarName, Sha256Digest, Signature};
use rns_storage::{
    index::{Claim, PathState, RowKind, Unused},
    objects::ObjectKey,
};
use rns_testing::{FixtureStore, Standard, SwiftServer, Tree};

use crate::{
    conformance::conforms,
    stored_nars::{
        a_nar_is_verified_before_its_path_is_locked, a_nar_is_verified_though_its_client_leaves,
        a_nar_that_lay_there_before_stays_once_a_pusher_knows_of_it,
        a_wrong_nar_is_read_once_for_all_who_wait,
        what_lay_there_before_is_verified_when_it_is_needed,
    },
    support::{Fixture, Place, name_of, packed, pusher, use_credentials},
    unfinished,
};

/// Runs a test on a directory and on a bucket.
macro_rules! on_both {
    ($($name:ident)*) => {
        $(mod $name {
            use super::*;
            #[tokio::test]
            async fn directory() {
                super::$name(Fixture::new(Place::Directory).await.unwrap()).await;
            }
            #[tokio::test]
            async fn bucket() {
                if let Some(fixture) = Fixture::new(Place::Bucket).await {
                    super::$name(fixture).await;
                }
            }
        })*

        /// One after the other, each in a part of the bucket.
        async fn all_of_it(url: impl Fn(&str) -> String) {
            conforms(Fixture::of_bucket(&url("conformance")).await).await;
            $({
                eprintln!(stringify!($name));
                $name(Fixture::of_bucket(&url(stringify!($name))).await).await;
            })*
        }
    };
}

on_both! {
    a_pushed_path_is_read_again
    nothing_is_visible_before_its_time
    a_nar_that_is_not_what_it_says_is_refused
    the_first_nar_wins_and_signatures_add_up
    a_path_whose_narinfo_was_lost_is_published_anew
    references_must_be_there
    content_addresses_are_checked
    what_lay_there_before_is_verified_when_it_is_needed
    a_nar_is_verified_before_its_path_is_locked
    a_nar_is_verified_though_its_client_leaves
    a_wrong_nar_is_read_once_for_all_who_wait
    what_is_told_to_a_pusher_is_there
    a_nar_that_lay_there_before_stays_once_a_pusher_knows_of_it
    gzip_has_no_suffix
    a_removed_path_is_pushed_again_whole
    a_large_nar_is_written_in_parts
}

#[tokio::test]
async fn all_of_it_on_swift() {
    let Some(server) = SwiftServer::start() else { return };
    use_credentials(server.credentials_file());
    all_of_it(|part| server.url(part)).await;
    unfinished::are_removed(&server).await;
}

/// Any other server, with the credentials of the environment.
#[tokio::test]
async fn all_of_it_on_the_bucket_of_rns_s3_url() {
    let Ok(url) = std::env::var("RNS_S3_URL") else {
        eprintln!("skipped: RNS_S3_URL names no bucket");
        return;
    };
    let (bucket, parameters) = url.split_once('?').unwrap_or((&url, ""));
    let run = std::process::id();
    all_of_it(|part| format!("{bucket}/{part}-{run}?{parameters}")).await;
}

async fn objects(fixture: &Fixture) -> Vec<String> {
    let mut names = Vec::new();
    if fixture.directory.as_os_str().is_empty() {
        let listed: Vec<_> = fixture.objects().list(None).try_collect().await.unwrap();
        names.extend(listed.iter().map(|(key, _)| key.to_string()));
        names.sort();
        return names;
    }
    let mut directories = vec![fixture.directory.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&fixture.directory).unwrap().display().to_string();
            if path.is_dir() {
                directories.push(path);
            } else if !name.starts_with('.') {
                names.push(name);
            }
        }
    }
    names.sort();
    names
}

async fn a_pushed_path_is_read_again(fixture: Fixture) {
    let standard = Standard::new();
    for path in [&standard.dep, &standard.top, &standard.itself, &standard.blob] {
        let (info, nar) = (standard.store.info(path), standard.store.nar(path));
        let narinfo = fixture.push(info, &nar).await;
        let record = fixture.storage.path_info(path.hash_part()).await.unwrap().unwrap();
        assert_eq!(record.offer.url, narinfo.url);
        assert_eq!(record.info.references, info.references);
        let rns_cache::NarAnswer::Finished(blob) =
            fixture.storage.nar(&name_of(&narinfo)).await.unwrap().unwrap()
        else {
            panic!("it is finished")
        };
        let file = blob.read_whole().await.unwrap().unwrap();
        assert!(zstd::decode_all(&file[..]).unwrap() == nar);
    }
}

async fn nothing_is_visible_before_its_time(fixture: Fixture) {
    let standard = Standard::new();
    let info = standard.store.info(&standard.blob);
    let (narinfo, file) = packed(info, &standard.store.nar(&standard.blob), Compression::None);
    let name = name_of(&narinfo);
    let before = objects(&fixture).await;

    let refused = fixture.storage.publish(&narinfo, &pusher()).await.unwrap_err();
    assert!(matches!(refused, PublishError::MissingNar { .. }), "{refused}");

    let mut upload = fixture.storage.begin_nar(&name, Some(file.len() as u64)).await.unwrap();
    upload.write(Bytes::copy_from_slice(&file[..file.len() - 1])).await.unwrap();
    assert!(fixture.storage.nar(&name).await.unwrap().is_none(), "half of it is nothing");
    let refused = upload.finish().await.unwrap_err();
    assert!(matches!(refused, PublishError::Mismatch { .. }), "{refused}");
    assert!(fixture.storage.nar(&name).await.unwrap().is_none());
    let refused = fixture.storage.publish(&narinfo, &pusher()).await.unwrap_err();
    assert!(matches!(refused, PublishError::MissingNar { .. }), "{refused}");
    assert_eq!(objects(&fixture).await, before, "nothing stays behind");
}

async fn a_nar_that_is_not_what_it_says_is_refused(fixture: Fixture) {
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

async fn the_first_nar_wins_and_signatures_add_up(fixture: Fixture) {
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

async fn a_path_whose_narinfo_was_lost_is_published_anew(fixture: Fixture) {
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

async fn references_must_be_there(fixture: Fixture) {
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

async fn content_addresses_are_checked(fixture: Fixture) {
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

async fn what_is_told_to_a_pusher_is_there(fixture: Fixture) {
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

/// Clients name a NAR that they compress with gzip as if it were not compressed.
async fn gzip_has_no_suffix(fixture: Fixture) {
    let standard = Standard::new();
    let (info, nar) = (standard.store.info(&standard.blob), standard.store.nar(&standard.blob));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&nar).unwrap();
    let file = encoder.finish().unwrap();
    let name = NarName::of_file(Sha256Digest::of(&file), Compression::None);
    fixture.upload(&name, &file).await.unwrap();
    let facts = (Sha256Digest::of(&file).into(), file.len() as u64);
    let narinfo = |compression| {
        NarInfo::for_path(info, name.canonical_url(), compression, Some(facts), Vec::new())
    };
    let refused = fixture.storage.publish(&narinfo(Compression::None), &pusher()).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, PublishError::Mismatch { .. }), "{refused}");
    let narinfo = narinfo(Compression::Gzip);
    assert_eq!(fixture.storage.publish(&narinfo, &pusher()).await.unwrap(), Published::New);
    let record = fixture.storage.path_info(standard.blob.hash_part()).await.unwrap().unwrap();
    assert_eq!(record.offer.compression, Compression::Gzip);
    // And an uncompressed one does not pass for gzip.
    let (plain, file) = packed(info, &nar, Compression::None);
    fixture.storage.delete(standard.blob.hash_part(), &pusher()).await.unwrap();
    fixture.upload(&name_of(&plain), &file).await.unwrap();
    let wrong = NarInfo { compression: Compression::Gzip, ..plain };
    let refused = fixture.storage.publish(&wrong, &pusher()).await.unwrap_err();
    assert!(matches!(refused, PublishError::Mismatch { .. }), "{refused}");
}

async fn a_removed_path_is_pushed_again_whole(fixture: Fixture) {
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

async fn a_large_nar_is_written_in_parts(fixture: Fixture) {
    let mut store = FixtureStore::new();
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let contents: Vec<u8> = (0..12 << 20).map(|_| random()).collect();
    let path = store.add("large", Tree::file(&contents));
    let nar = store.nar(&path);
    let (narinfo, file) = packed(store.info(&path), &nar, Compression::None);
    // Given up in the middle, nothing of it is there.
    let name = name_of(&narinfo);
    let mut upload = fixture.storage.begin_nar(&name, Some(file.len() as u64)).await.unwrap();
    upload.write(Bytes::copy_from_slice(&file[..file.len() - 1])).await.unwrap();
    drop(upload);
    assert!(fixture.storage.nar(&name).await.unwrap().is_none());
    fixture.upload(&name, &file).await.unwrap();
    fixture.storage.publish(&narinfo, &pusher()).await.unwrap();
    let rns_cache::NarAnswer::Finished(blob) = fixture.storage.nar(&name).await.unwrap().unwrap()
    else {
        panic!("it is finished")
    };
    assert!(blob.read_whole().await.unwrap().unwrap() == nar);
}
