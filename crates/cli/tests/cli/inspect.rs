//! `ls`, `cat` and `dump` on a store path.

use std::{fs, io::Read as _, time::Duration};

use rns_testing::{Finished, FixtureStore, Standard, Tree, run};

use crate::{code, program};

fn ask(store: &FixtureStore, arguments: &[&str]) -> Finished {
    let mut command = program();
    command
        .args(arguments)
        .arg("--store")
        .arg(store.root())
        .env("RUST_NIX_SERVE_STORE_DAEMON_SOCKET", "none");
    run(&mut command, Duration::from_secs(120))
}

fn sample() -> (FixtureStore, String) {
    let mut store = FixtureStore::new();
    let path = store.add(
        "sample",
        Tree::directory([
            ("bin", Tree::directory([("run", Tree::executable("#!/bin/sh\n"))])),
            ("empty", Tree::file("")),
            ("link", Tree::symlink("bin/run")),
            ("text", Tree::file("some text\n")),
        ]),
    );
    let path = store.store_dir().print(&path);
    (store, path)
}

#[test]
fn a_tree_is_listed_short_long_and_whole() {
    let (store, path) = sample();
    assert_eq!(ask(&store, &["ls", &path]).success().text(), "bin\nempty\nlink\ntext\n");
    let long = ask(&store, &["ls", "-lR", &path]).success().text();
    let fields: Vec<Vec<&str>> =
        long.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        fields,
        [
            vec!["dr-xr-xr-x", "0", "bin"],
            vec!["-r-xr-xr-x", "10", "bin/run"],
            vec!["-r--r--r--", "0", "empty"],
            vec!["lrwxrwxrwx", "0", "link", "->", "bin/run"],
            vec!["-r--r--r--", "10", "text"],
        ]
    );
    assert_eq!(ask(&store, &["ls", &format!("{path}/bin")]).success().text(), "run\n");
    assert_eq!(ask(&store, &["ls", &format!("{path}/text")]).success().text(), "text\n");
}

#[test]
fn a_file_is_printed_by_any_name_of_its_path() {
    let (store, path) = sample();
    let base = path.strip_prefix("/nix/store/").unwrap();
    let hash = base.split_once('-').unwrap().0;
    for name in [path.as_str(), base, hash] {
        assert_eq!(ask(&store, &["cat", &format!("{name}/text")]).success().text(), "some text\n");
    }
    assert_eq!(ask(&store, &["cat", &format!("{path}/empty")]).success().text(), "");
    let link = ask(&store, &["cat", &format!("{path}/link")]);
    assert_eq!(code(&link), 2);
    assert!(link.stderr.contains("is a symbolic link to bin/run"), "{}", link.stderr);
    assert_eq!(code(&ask(&store, &["cat", &format!("{path}/bin")])), 2);
}

#[test]
fn a_dump_is_the_nar_in_every_compression() {
    let standard = Standard::new();
    let store = &standard.store;
    for path in [&standard.blob, &standard.bytes, &standard.link, &standard.executable] {
        let nar = store.nar(path);
        let name = store.store_dir().print(path);
        assert!(ask(store, &["dump", &name]).success().stdout == nar, "{name}");
        let packed =
            |method| ask(store, &["dump", &name, "--compression", method]).success().stdout;
        assert!(zstd::decode_all(packed("zstd").as_slice()).unwrap() == nar, "{name}");
        let mut unpacked = Vec::new();
        xz2::read::XzDecoder::new(packed("xz").as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == nar, "{name}");
    }
}

#[test]
fn what_is_not_served_is_a_negative_answer_with_the_reason() {
    let (mut store, path) = sample();
    let absent = ask(&store, &["ls", "/nix/store/00000000000000000000000000000000-x"]);
    assert_eq!((code(&absent), absent.text().as_str()), (1, ""));
    assert!(absent.stderr.contains("is not valid in this store"), "{}", absent.stderr);
    let renamed = path.replace("-sample", "-other");
    assert_eq!(code(&ask(&store, &["ls", &renamed])), 1);
    let inside = ask(&store, &["cat", &format!("{path}/bin/nothing")]);
    assert_eq!(code(&inside), 1);
    assert!(inside.stderr.contains("there is no bin/nothing"), "{}", inside.stderr);
    assert_eq!(code(&ask(&store, &["dump", &format!("{path}/bin")])), 2);
    assert_eq!(code(&ask(&store, &["ls", "/etc"])), 2);

    let damaged = store.add("damaged", Tree::file("as it was"));
    fs::remove_file(store.real_path(&damaged)).unwrap();
    fs::write(store.real_path(&damaged), "longer than it was").unwrap();
    let answer = ask(&store, &["dump", &store.store_dir().print(&damaged)]);
    assert_eq!((code(&answer), answer.stdout.as_slice()), (1, b"".as_slice()));
    assert!(answer.stderr.contains("is registered, but not served"), "{}", answer.stderr);
    assert!(answer.stderr.contains("is damaged: "), "{}", answer.stderr);
}
