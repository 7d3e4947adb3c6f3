//! Listings, logs and realisations of pushed paths.

use std::{fs, path::PathBuf};

use rns_formats::{Realisation, StorePath};
use rns_storage::index::{DocumentIndex as _, sqlite::SqliteIndex};
use rns_testing::{Entry, FixtureStore, LogFile, S3Server, Scratch, Standard, Tree, run};

use super::{PUSH_TIMEOUT, program, push, queue::Place, targets::Dav};
use crate::{
    support::{full, is_installed, narinfo_of, nixes, serve, within},
    uploads::Pushable,
};

const DERIVATION: &str = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";

/// A question mark is a part of such a name.
const ODD_DERIVATION: &str = "0zmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-a?b.drv";

const DRV_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const LOG: &[u8] = b"building\nbuilt\n";

/// A store in which builds have left logs, one of them of a content-addressed derivation.
struct Built {
    standard: Standard,
    odd: StorePath,
}

impl Built {
    fn new() -> Self {
        let mut standard = Standard::new();
        let store = &mut standard.store;
        let odd = Entry::new("odd", Tree::file("odd"));
        let odd = store.insert(odd.deriver(format!("/nix/store/{ODD_DERIVATION}")));
        store.add_log(DERIVATION, LogFile::Bzip2, LOG);
        store.add_log(ODD_DERIVATION, LogFile::Plain, LOG);
        store.create_realisation_tables();
        let path = full(&standard.itself);
        standard.store.execute(
            "insert into Realisations (drvPath, outputName, outputPath)
             select ?, 'out', id from ValidPaths where path = ?",
            [&format!("sha256:{DRV_HASH}"), &path],
        );
        standard.store.execute(
            "insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?, 'out', ?)",
            [DERIVATION, &path],
        );
        Self { standard, odd }
    }

    /// With a reference of the first among them: three in all.
    fn paths(&self) -> [&StorePath; 2] {
        [&self.standard.itself, &self.odd]
    }

    /// The names of all documents.
    fn documents(&self) -> Vec<String> {
        let mut names = Self::realisations();
        for path in [&self.standard.itself, &self.odd, &self.standard.dep] {
            names.push(format!("{}.ls", path.hash_part()));
        }
        names.extend([DERIVATION, ODD_DERIVATION].map(|drv| format!("log/{drv}")));
        names
    }

    fn realisations() -> Vec<String> {
        vec![
            format!("realisations/sha256:{DRV_HASH}!out.doi"),
            format!("build-trace-v2/{DERIVATION}/out.doi"),
        ]
    }

    /// That a cache in a directory has all documents, as this store would serve them.
    #[track_caller]
    fn assert_in(&self, directory: &std::path::Path) {
        let own = serve(&self.standard.store);
        for name in self.documents() {
            let stored = fs::read(directory.join(&name)).unwrap_or_else(|_| panic!("{name}"));
            if name.starts_with("log/") {
                assert_eq!(stored, LOG, "{name}");
            } else if name.ends_with(".ls") {
                assert_eq!(stored, own.get(&format!("/{name}")).ok(), "{name}");
            } else {
                let json: serde_json::Value = serde_json::from_slice(&stored).unwrap();
                assert_eq!(json["outPath"], self.standard.itself.as_str(), "{name}");
            }
        }
    }
}

const ALL: [&str; 2] = ["--listing", "--logs"];

#[test]
fn this_server_has_them_and_every_nix_shows_the_log() {
    let (built, cache) = (Built::new(), Pushable::new());
    let pushed = push(&built.standard.store, &cache.url(), &built.paths(), &ALL).success();
    assert!(pushed.stderr.contains("3 paths pushed"), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("7 documents sent"), "{}", pushed.stderr);
    built.assert_in(&cache.directory);
    let log = cache.server.get(&format!("/log/{DERIVATION}"));
    assert_eq!(log.ok(), LOG);
    for nix in nixes() {
        let path = full(&built.standard.itself);
        let shown = nix.client().nix_command(["log", "--store", cache.server.url(), &path]);
        assert!(shown.success().text().contains("built"));
    }
}

#[test]
fn a_web_server_has_them() {
    if !is_installed("nginx") {
        return;
    }
    let (built, dav) = (Built::new(), Dav::start(""));
    push(&built.standard.store, &dav.url, &built.paths(), &ALL).success();
    built.assert_in(&dav.directory());
}

#[test]
fn a_directory_has_them_with_an_index_and_without() {
    let (built, scratch, cache) = (Built::new(), Scratch::new(), Pushable::new());
    // The server has an index, which it fills itself.
    push(&built.standard.store, &cache.url(), &[&built.standard.blob], &[]).success();
    for directory in [scratch.join("cache"), cache.directory.clone()] {
        let url = format!("file://{}", directory.display());
        push(&built.standard.store, &url, &built.paths(), &ALL).success();
        built.assert_in(&directory);
    }
}

#[test]
fn a_bucket_has_them() {
    let Some(s3) = S3Server::start() else { return };
    let built = Built::new();
    let root = built.standard.store.root().to_str().unwrap();
    let mut command = program(&["push", "--store", root, "--to", &s3.url()]);
    let state = Scratch::new();
    command.env("AWS_SHARED_CREDENTIALS_FILE", s3.credentials_file());
    // Else the index would be that of the machine.
    command.env("STATE_DIRECTORY", state.path());
    run(command.args(ALL).args(built.paths().map(full)), PUSH_TIMEOUT).success();
    // An escape in the path of a URL is a character of the key.
    built.assert_in(&s3.directory());
}

#[test]
fn only_realisations_are_sent_unless_more_is_wanted_and_nothing_is_sent_twice() {
    let (built, cache) = (Built::new(), Pushable::new());
    let push = |more: &[&str]| {
        push(&built.standard.store, &cache.url(), &built.paths(), more).success().stderr
    };
    let said = push(&[]);
    assert!(said.contains("3 paths pushed") && said.contains("2 documents sent"), "{said}");
    let is_there = |name: &String| cache.directory.join(name).is_file();
    let documents = built.documents();
    let there: Vec<&String> = documents.iter().filter(|name| is_there(name)).collect();
    assert_eq!(there, Built::realisations().iter().collect::<Vec<_>>());
    // Documents that are wanted later are sent for paths that are there.
    let said = push(&ALL);
    assert!(said.contains("0 paths pushed") && said.contains("5 documents sent"), "{said}");
    built.assert_in(&cache.directory);
    let said = push(&ALL);
    assert!(said.contains("3 already there") && !said.contains("sent"), "{said}");
}

#[test]
fn the_log_of_another_derivation_stays_with_the_path_that_it_made() {
    let (built, cache) = (Built::new(), Pushable::new());
    push(&built.standard.store, &cache.url(), &built.paths(), &ALL).success();
    // Another machine has built the same path from another derivation.
    let mut store = FixtureStore::new();
    let other = ODD_DERIVATION.replace('0', "1");
    let odd = Entry::new("odd", Tree::file("odd")).deriver(format!("/nix/store/{other}"));
    assert_eq!(store.insert(odd), built.odd);
    store.add_log(&other, LogFile::Plain, LOG);
    for sent in ["1 document sent", "1 already there"] {
        let said = push(&store, &cache.url(), &[&built.odd], &["--logs"]).success().stderr;
        assert!(said.contains(sent), "{said}");
    }
    let index = cache.directory.join(".rust-nix-serve/index.sqlite");
    let index = SqliteIndex::new(index, false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(index.documents(0, 100)).unwrap();
    let log = rows.iter().find(|row| row.key.to_string() == format!("log/{other}")).unwrap();
    assert!(log.is_needed, "{rows:?}");
}

#[test]
fn a_path_whose_log_is_refused_is_there_and_the_refusal_is_a_warning() {
    if !is_installed("nginx") {
        return;
    }
    let (built, dav) = (Built::new(), Dav::start("if ($uri ~ ^/log/) { return 403; }"));
    let done = push(&built.standard.store, &dav.url, &built.paths(), &ALL).success();
    assert!(done.stderr.contains("it is there, but not its log"), "{}", done.stderr);
    assert!(done.stderr.contains("3 paths pushed"), "{}", done.stderr);
    let stored = |path| -> PathBuf { dav.directory().join(&narinfo_of(path)[1..]) };
    assert!(built.paths().iter().all(|path| stored(path).is_file()));
    push(&built.standard.store, &dav.url, &built.paths(), &["--listing"]).success();
}

#[test]
fn realisations_are_signed_with_the_keys_of_the_push() {
    let (built, scratch) = (Built::new(), Scratch::new());
    let key = scratch.join("key");
    crate::support::write_key(&key, crate::support::SECRET_KEY);
    let url = format!("file://{}", scratch.join("cache").display());
    let more = ["--key", key.to_str().unwrap()];
    push(&built.standard.store, &url, &built.paths(), &more).success();
    let stored = scratch.join("cache").join(&Built::realisations()[0]);
    let stored = Realisation::parse(&fs::read_to_string(stored).unwrap()).unwrap();
    let public = rns_formats::PublicKey::parse(crate::support::PUBLIC_KEY).unwrap();
    assert!(stored.is_signed_by(&public));
}

#[test]
fn a_queue_is_done_with_a_path_whose_realisations_are_refused() {
    if !is_installed("nginx") {
        return;
    }
    for status in [403, 405, 501] {
        let refusal = format!("if ($uri ~ ^/(realisations|build-trace)) {{ return {status}; }}");
        let (built, dav) = (Built::new(), Dav::start(&refusal));
        let scratch = Scratch::new();
        let queue = scratch.join("queue.sqlite");
        let root = built.standard.store.root().to_str().unwrap();
        let on_queue = |arguments: &[&str]| {
            let mut command = program(&["queue"]);
            run(command.args(arguments).arg("--queue").arg(&queue), PUSH_TIMEOUT)
        };
        on_queue(&["add", &full(&built.standard.itself), &full(&built.odd)]).success();
        let done = on_queue(&["drain", "--store", root, "--to", &dav.url]).success();
        assert!(done.stderr.contains("but not its realisation"), "{status}: {}", done.stderr);
        assert_eq!(on_queue(&["status"]).success().text(), "nothing waits\n", "{status}");
    }
}

#[test]
fn a_daemon_of_a_queue_sends_them_where_a_flag_says_so() {
    let (built, cache, place) = (Built::new(), Pushable::new(), Place::new());
    place.hook(&built.paths()).success();
    let token = place.scratch.write("token", &cache.token);
    let command = [&["queue", "run"][..], &ALL].concat();
    let to = cache.server.url();
    let _daemon = place.daemon(&command, &built.standard.store, to, &token);
    within(PUSH_TIMEOUT, || place.waiting() == 0);
    built.assert_in(&cache.directory);
}
