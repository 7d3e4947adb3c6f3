//! Uploads: accepted ones, refused ones, and the moment at which they become visible.

use std::{fs, io::Write as _};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use rns_cache::{BinaryCache as _, PublishError, Published, WritableCache as _};
use rns_formats::{Compression, NarInfo, NarName, Sha256Digest};
use rns_testing::{FixtureStore, Standard, SwiftServer, Tree};

use crate::{
    conformance::conforms,
    publishing::{
        a_nar_that_is_not_what_it_says_is_refused, a_path_whose_narinfo_was_lost_is_published_anew,
        a_removed_path_is_pushed_again_whole, content_addresses_are_checked,
        references_must_be_there, the_first_nar_wins_and_signatures_add_up,
        what_is_told_to_a_pusher_is_there,
    },
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
