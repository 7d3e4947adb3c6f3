//! Build logs.

use std::{
    fs::{self, File},
    io::Write as _,
    ops::Range,
    os::unix::fs::symlink,
};

use rns_cache::{BinaryCache as _, BuildLog, CacheError, LogContents};
use rns_formats::{LogName, Resource, url};
use rns_nix_store::{LocalStore, StoreConfig};
use rns_testing::{Entry, FixtureStore, LogFile, Tree};

use crate::{collect, config, open, read};

const NAME: &str = "0cq5fwgq5f1bwdmyv4nqjfmmxnkzxzcp-hello-2.12.drv";

/// As a URL names it.
fn named(url: &str) -> LogName {
    let (path, query) =
        url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    match url::parse(&format!("/log/{path}"), query) {
        Some(Resource::Log(name)) => name,
        other => panic!("{url}: {other:?}"),
    }
}

async fn ask(store: &LocalStore, url: &str) -> Option<BuildLog> {
    store.log(&named(url)).await.unwrap()
}

async fn part(log: &BuildLog, range: Range<u64>) -> Vec<u8> {
    match &log.contents {
        LogContents::Sized(text) => read(&**text, range).await,
        LogContents::Stream(_) => panic!("its length is not known"),
    }
}

fn len(log: &BuildLog) -> Option<u64> {
    match &log.contents {
        LogContents::Sized(text) => Some(text.len()),
        LogContents::Stream(_) => None,
    }
}

async fn text(log: BuildLog) -> String {
    let bytes = match log.contents {
        LogContents::Sized(text) => read(&*text, 0..text.len()).await,
        LogContents::Stream(chunks) => collect(chunks).await.unwrap(),
    };
    String::from_utf8(bytes).unwrap()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Text that is not the same everywhere.
fn lines(len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 16);
    for line in 0.. {
        if text.len() >= len {
            break;
        }
        writeln!(text, "line {line}").unwrap();
    }
    text.truncate(len);
    text
}

#[tokio::test]
async fn a_hash_part_stands_for_its_derivation_or_that_of_an_output() {
    let hash = &NAME[..32];
    for form in [LogFile::Plain, LogFile::Bzip2] {
        let mut fixture = FixtureStore::new();
        fixture.add_log(NAME, form, b"built\n");
        let output = fixture.insert(Entry::new("hello", Tree::file("x")).deriver(full_path(NAME)));
        let store = open(&fixture);
        // The derivation is not valid any more.
        let log = ask(&store, hash).await.expect("it is there");
        assert_eq!(text(log).await, "built\n", "{form:?}");
        let log = ask(&store, &output.hash_part().to_string()).await.expect("its deriver's");
        assert_eq!(text(log).await, "built\n", "{form:?}");
        assert!(ask(&store, &hash.replace("0cq5", "0cq6")).await.is_none());
    }
    let mut fixture = FixtureStore::new();
    fixture.add_log(NAME, LogFile::Plain, b"built\n");
    fixture.insert(Entry::new(&NAME[33..], Tree::file("drv")).hash_part(hash));
    assert!(ask(&open(&fixture), hash).await.is_some(), "the derivation is valid");
}

fn full_path(base: &str) -> String {
    format!("/nix/store/{base}")
}

#[tokio::test]
async fn a_log_is_found_in_every_place_and_form() {
    for form in [LogFile::Plain, LogFile::Bzip2, LogFile::FlatPlain, LogFile::FlatBzip2] {
        let fixture = FixtureStore::new();
        fixture.add_log(NAME, form, b"built \xff\n");
        let log = ask(&open(&fixture), NAME).await.expect("it is there");
        assert_eq!(len(&log), Some(8), "{form:?}");
        assert_eq!(part(&log, 0..8).await, b"built \xff\n", "{form:?}");
        assert_eq!(part(&log, 2..5).await, b"ilt", "{form:?}");
    }
}

#[tokio::test]
async fn where_there_are_several_the_usual_place_and_the_plain_form_come_first() {
    let fixture = FixtureStore::new();
    let store = open(&fixture);
    let order = [LogFile::FlatBzip2, LogFile::FlatPlain, LogFile::Bzip2, LogFile::Plain];
    for (number, form) in order.into_iter().enumerate() {
        fixture.add_log(NAME, form, number.to_string().as_bytes());
        assert_eq!(text(ask(&store, NAME).await.unwrap()).await, number.to_string());
    }
}

#[tokio::test]
async fn names_with_special_characters_are_found() {
    let fixture = FixtureStore::new();
    let base = "0cq5fwgq5f1bwdmyv4nqjfmmxnkzxzcp-ca-+x=1?y.drv";
    fixture.add_log(base, LogFile::Bzip2, b"special");
    let store = open(&fixture);
    for url in [base, &base.replace('?', "%3F").replace('=', "%3D").replace('+', "%2B")] {
        assert_eq!(text(ask(&store, url).await.expect(url)).await, "special");
    }
    assert!(ask(&store, &base.replace('+', "-")).await.is_none());
}

#[tokio::test]
async fn a_query_belongs_to_the_name_only_where_such_a_log_exists() {
    let fixture = FixtureStore::new();
    let store = open(&fixture);
    let url = format!("{NAME}?x.drv");
    assert!(ask(&store, &url).await.is_none());
    fixture.add_log(NAME, LogFile::Plain, b"without");
    assert_eq!(text(ask(&store, &url).await.unwrap()).await, "without");
    fixture.add_log(&url, LogFile::FlatBzip2, b"with");
    assert_eq!(text(ask(&store, &url).await.unwrap()).await, "with");
    assert_eq!(text(ask(&store, NAME).await.unwrap()).await, "without");
}

#[tokio::test]
async fn there_is_no_log_where_there_is_none() {
    let fixture = FixtureStore::new();
    assert!(ask(&open(&fixture), NAME).await.is_none());
    fs::create_dir_all(fixture.log_dir().join("0c").join(&NAME[2..])).unwrap();
    assert!(ask(&open(&fixture), NAME).await.is_none(), "a directory is no log");
    let nowhere = StoreConfig { log_dir: fixture.root().join("nowhere"), ..config(&fixture) };
    assert!(ask(&LocalStore::open(nowhere), NAME).await.is_none());
}

#[tokio::test]
async fn logs_do_not_need_a_database() {
    let fixture = FixtureStore::new();
    fixture.add_log(NAME, LogFile::Bzip2, b"still there");
    let store = LocalStore::open(StoreConfig {
        database: fixture.root().join("nowhere"),
        ..config(&fixture)
    });
    assert_eq!(text(ask(&store, NAME).await.unwrap()).await, "still there");
}

#[tokio::test]
async fn links_do_not_lead_to_other_files() {
    let fixture = FixtureStore::new();
    let secret = fixture.root().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join(&NAME[2..]), "secret").unwrap();
    symlink(secret.join(&NAME[2..]), fixture.log_dir().join(NAME)).unwrap();
    symlink(&secret, fixture.log_dir().join("0c")).unwrap();
    let store = open(&fixture);
    assert!(ask(&store, NAME).await.is_none());
    fs::remove_file(fixture.log_dir().join("0c")).unwrap();
    fs::create_dir(fixture.log_dir().join("0c")).unwrap();
    symlink(secret.join(&NAME[2..]), fixture.log_dir().join("0c").join(&NAME[2..])).unwrap();
    assert!(ask(&store, NAME).await.is_none());
}

#[tokio::test]
async fn all_parts_of_a_file_of_several_streams_are_read() {
    let fixture = FixtureStore::new();
    let path = fixture.add_log(NAME, LogFile::Bzip2, b"");
    fs::write(path, [packed(b"first "), packed(b""), packed(b"second")].concat()).unwrap();
    assert_eq!(text(ask(&open(&fixture), NAME).await.unwrap()).await, "first second");
}

#[tokio::test]
async fn a_long_compressed_log_is_unpacked_while_it_is_sent() {
    let fixture = FixtureStore::new();
    let store = open(&fixture);
    let bound = 4 << 20;
    for (bytes, known) in [(bound, Some(bound as u64)), (bound + 1, None)] {
        let lines = lines(bytes);
        fixture.add_log(NAME, LogFile::Bzip2, &lines);
        let log = ask(&store, NAME).await.unwrap();
        assert_eq!(len(&log), known);
        assert!(text(log).await.as_bytes() == lines);
    }
}

#[tokio::test]
async fn a_log_that_is_no_bzip2_file_is_an_error_that_names_it() {
    let fixture = FixtureStore::new();
    let path = fixture.add_log(NAME, LogFile::Bzip2, b"");
    let whole = packed(&lines(10_000));
    let store = open(&fixture);
    for contents in
        [&b"plain text"[..], &whole[..whole.len() / 2], &[&whole[..], b"junk"].concat(), b"BZh9"]
    {
        fs::write(&path, contents).unwrap();
        let Err(error) = store.log(&named(NAME)).await else {
            panic!("{contents:?} was taken for a log")
        };
        assert!(error.to_string().contains(&NAME[2..]), "{error}");
    }
}

#[tokio::test]
async fn a_long_log_that_breaks_off_ends_with_an_error() {
    let fixture = FixtureStore::new();
    let lines = lines(6 << 20);
    let path = fixture.add_log(NAME, LogFile::Bzip2, &lines);
    let file = File::options().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - 10).unwrap();
    let log = ask(&open(&fixture), NAME).await.unwrap();
    let LogContents::Stream(chunks) = log.contents else { panic!("its length is not known") };
    let (before, error) = collect(chunks).await.unwrap_err();
    assert!(before.len() > 4 << 20 && lines.starts_with(&before));
    assert!(matches!(error, CacheError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn a_compressed_log_that_has_just_begun_is_not_there_yet() {
    let fixture = FixtureStore::new();
    let path = fixture.add_log(NAME, LogFile::Bzip2, b"");
    File::create(path).unwrap();
    let store = open(&fixture);
    assert!(ask(&store, NAME).await.is_none());
    fixture.add_log(NAME, LogFile::FlatPlain, b"of an earlier build");
    assert_eq!(text(ask(&store, NAME).await.unwrap()).await, "of an earlier build");
}

#[tokio::test]
async fn the_etag_stays_until_the_log_changes() {
    let fixture = FixtureStore::new();
    let path = fixture.add_log(NAME, LogFile::Plain, b"one");
    let etag = ask(&open(&fixture), NAME).await.unwrap().etag;
    assert_eq!(ask(&open(&fixture), NAME).await.unwrap().etag, etag);
    assert!(etag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'), "{etag}");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "two").unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(before + std::time::Duration::from_nanos(10))
        .unwrap();
    assert_ne!(ask(&open(&fixture), NAME).await.unwrap().etag, etag);
}
