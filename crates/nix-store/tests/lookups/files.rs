//! Files inside store paths.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
};

use rns_cache::{BinaryCache as _, BlobBody, EntryKind, Served, ServedDirectory, ServedFile};
use rns_formats::{HashPart, Resource, ServePath, StorePath, url};
use rns_nix_store::LocalStore;
use rns_testing::{Entry, FixtureStore, Standard, Tree};
use rustix::fs::{FileType, Mode};

use crate::{collect, open, read};

/// As a URL names it.
fn at(path: &str) -> ServePath {
    let url = format!("/serve/00000000000000000000000000000000/{path}");
    match url::parse(&url, None) {
        Some(Resource::Serve { path, .. }) => path,
        other => panic!("{url}: {other:?}"),
    }
}

async fn ask(store: &LocalStore, path: &StorePath, inside: &str) -> Option<Served> {
    store.file(path.hash_part(), &at(inside)).await.unwrap()
}

async fn file(store: &LocalStore, path: &StorePath, inside: &str) -> Option<ServedFile> {
    match ask(store, path, inside).await {
        Some(Served::File(file)) => Some(file),
        Some(Served::Directory(_)) => panic!("{inside} is a directory"),
        None => None,
    }
}

async fn text(store: &LocalStore, path: &StorePath, inside: &str) -> Option<String> {
    let file = file(store, path, inside).await?;
    Some(String::from_utf8(read(&*file.contents, 0..file.contents.len()).await).unwrap())
}

async fn directory(store: &LocalStore, path: &StorePath, inside: &str) -> ServedDirectory {
    match ask(store, path, inside).await {
        Some(Served::Directory(directory)) => directory,
        Some(Served::File(_)) => panic!("{inside} is a file"),
        None => panic!("{inside} is nothing"),
    }
}

#[tokio::test]
async fn a_file_comes_with_what_is_to_be_known_of_it() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let run = file(&store, &fixture.tree, "dir/run").await.unwrap();
    assert_eq!(run.contents.etag(), fixture.store.info(&fixture.tree).nar_hash.to_nix32());
    assert_eq!((run.name.as_str(), run.contents.len(), run.executable), ("run", 18, true));
    assert_eq!(read(&*run.contents, 0..18).await, b"#!/bin/sh\necho hi\n");
    assert_eq!(read(&*run.contents, 3..6).await, b"bin");

    let eight = file(&store, &fixture.tree, "eight").await.unwrap();
    assert_eq!((eight.contents.len(), eight.executable), (8, false));
    let zero = file(&store, &fixture.tree, "zero").await.unwrap();
    assert_eq!(read(&*zero.contents, 0..0).await, b"");
    let latin = file(&store, &fixture.bytes, "caf%e9").await.unwrap();
    assert_eq!((latin.name.as_str(), latin.contents.len()), ("caf\u{fffd}", 7));
}

#[tokio::test]
async fn a_store_path_that_is_a_file_is_served_under_its_name() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let dep = file(&store, &fixture.dep, "").await.unwrap();
    assert_eq!((dep.name.as_str(), dep.contents.len()), ("dep.txt", 13));
    assert!(ask(&store, &fixture.dep, "x").await.is_none());
}

#[tokio::test]
async fn a_large_file_arrives_whole_even_when_its_path_is_collected_meanwhile() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let blob = file(&store, &fixture.blob, "").await.unwrap();
    let contents = fs::read(fixture.store.real_path(&fixture.blob)).unwrap();
    let body = blob.contents.read(5..blob.contents.len()).await.unwrap();
    let Some(BlobBody::Stream(stream)) = body else { panic!("a stream") };
    fixture.store.forget(&fixture.blob);
    fixture.store.remove_files(&fixture.blob);
    assert!(collect(stream).await.unwrap() == contents[5..]);
    assert!(ask(&store, &fixture.blob, "").await.is_none());
}

#[tokio::test]
async fn a_directory_is_listed_by_name() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    let root = directory(&store, &fixture.tree, "").await;
    assert_eq!(root.path, fixture.tree);
    assert!(root.index.is_none() && !root.truncated);
    let entries: Vec<_> = root
        .entries
        .iter()
        .map(|entry| (str::from_utf8(&entry.name).unwrap(), entry.kind, entry.size))
        .collect();
    let regular = EntryKind::File { executable: false };
    assert_eq!(
        entries,
        [
            ("a", regular, 6),
            ("dir", EntryKind::Directory, 0),
            ("eight", regular, 8),
            ("empty", EntryKind::Directory, 0),
            ("zero", regular, 0),
        ]
    );
    for spelling in ["dir", "dir/"] {
        let entries = directory(&store, &fixture.tree, spelling).await.entries;
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [EntryKind::Symlink, EntryKind::File { executable: true }]);
    }
    assert!(directory(&store, &fixture.tree, "empty").await.entries.is_empty());
    assert_eq!(directory(&store, &fixture.bytes, "").await.entries[0].name, b"caf\xe9");
}

#[tokio::test]
async fn a_directory_with_an_index_shows_that() {
    let mut fixture = FixtureStore::new();
    let page = Tree::directory([("index.html", Tree::file("<p>deep")), ("x", Tree::file("x"))]);
    let tree = Tree::directory([
        ("index.html", Tree::file("<p>top")),
        ("doc", page),
        ("linked", Tree::directory([("index.html", Tree::symlink("../doc/index.html"))])),
        ("out", Tree::directory([("index.html", Tree::symlink("/etc/passwd"))])),
        ("odd", Tree::directory([("index.html", Tree::directory::<&str>([]))])),
    ]);
    let site = fixture.add("site", tree);
    let store = open(&fixture);
    for (place, expected) in
        [("", "<p>top"), ("doc", "<p>deep"), ("doc/", "<p>deep"), ("linked", "<p>deep")]
    {
        let index = directory(&store, &site, place).await.index.expect(place);
        assert_eq!(index.name, "index.html");
        assert_eq!(read(&*index.contents, 0..index.contents.len()).await, expected.as_bytes());
    }
    for place in ["out", "odd"] {
        let directory = directory(&store, &site, place).await;
        assert!(directory.index.is_none());
        assert_eq!(directory.entries.len(), 1);
    }
}

#[tokio::test]
async fn links_are_followed_inside_the_path_and_nowhere_else() {
    let mut fixture = FixtureStore::new();
    let hash = "00000000000000000000000000000abc";
    let own = |rest: &str| Tree::symlink(format!("/nix/store/{hash}-links{rest}"));
    let other = fixture.add("other", Tree::file("other"));
    let tree = Tree::directory([
        (
            "bin",
            Tree::directory([("tool", Tree::file("tool")), ("up", Tree::symlink("../bin/tool"))]),
        ),
        ("relative", Tree::symlink("bin/up")),
        ("own", own("/bin/tool")),
        ("own-out", own("/../../etc/passwd")),
        ("own-longer", own("-more/x")),
        ("root", own("")),
        ("passwd", Tree::symlink("/etc/passwd")),
        ("dots", Tree::symlink("../../../../../../../../etc/passwd")),
        ("sibling", Tree::symlink(format!("../{other}"))),
        ("other", Tree::symlink(format!("/nix/store/{other}"))),
        ("loop", Tree::symlink("loop")),
    ]);
    let links = fixture.insert(Entry::new("links", tree).hash_part(hash));
    symlink("/etc", fixture.real_dir().join(format!("{hash}-links-more"))).unwrap();
    let store = open(&fixture);
    for inside in ["bin/tool", "relative", "own", "root/own", "root/root/bin/up"] {
        assert_eq!(text(&store, &links, inside).await.as_deref(), Some("tool"), "{inside}");
    }
    for inside in [
        "own-out",
        "own-longer",
        "passwd",
        "dots",
        "sibling",
        "other",
        "loop",
        "root/passwd",
        "nothing",
        "bin/tool/x",
    ] {
        assert!(ask(&store, &links, inside).await.is_none(), "{inside}");
    }
    assert!(ask(&store, &links, "bin/tool/").await.is_none(), "a file is no directory");
    assert_eq!(directory(&store, &links, "root").await.entries.len(), 11);
}

#[tokio::test]
async fn a_store_path_that_is_a_link_leads_nowhere() {
    let mut fixture = FixtureStore::new();
    let link = fixture.add("link", Tree::symlink("/etc"));
    let store = open(&fixture);
    assert!(ask(&store, &link, "").await.is_none());
    assert!(ask(&store, &link, "passwd").await.is_none());
}

#[tokio::test]
async fn pipes_and_sockets_are_neither_served_nor_listed() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("special", Tree::directory([("file", Tree::file("x"))]));
    let real = fixture.real_path(&path);
    fs::set_permissions(&real, Permissions::from_mode(0o755)).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, real.join("pipe"), FileType::Fifo, Mode::from(0o644), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(real.join("socket")).unwrap();
    let store = open(&fixture);
    assert!(ask(&store, &path, "pipe").await.is_none());
    assert!(ask(&store, &path, "socket").await.is_none());
    let entries = directory(&store, &path, "").await.entries;
    assert_eq!(entries.iter().map(|entry| &*entry.name).collect::<Vec<_>>(), [b"file"]);
}

#[tokio::test]
async fn what_is_not_registered_or_gone_is_not_there() {
    let mut fixture = FixtureStore::new();
    let tree = Tree::directory([("file", Tree::file("x"))]);
    let (unregistered, gone) =
        (fixture.add("unregistered", tree.clone()), fixture.add("gone", tree));
    fixture.forget(&unregistered);
    fixture.remove_files(&gone);
    fixture.add("there", Tree::file("x"));
    let store = open(&fixture);
    for path in [&unregistered, &gone] {
        assert!(ask(&store, path, "file").await.is_none());
        assert!(ask(&store, path, "").await.is_none());
    }
    assert!(store.file(HashPart::from_bytes([7; 20]), &at("")).await.unwrap().is_none());
}
