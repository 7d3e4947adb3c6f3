//! `rust-nix-serve storage gc`, `why` and `delete`, with a configuration file, beside a server.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use rns_cache::{Pusher, RootRevision};
use rns_formats::{Compression, RootName, StorePath};
use rns_storage::index::{Collection as _, RootIndex as _, sqlite::SqliteIndex};
use rns_testing::{Finished, FixtureStore, Scratch, Standard, Tree, run};
use serde_json::Value;

use crate::{
    support::{field, full, narinfo_of},
    uploads::{Pushable, packed, text_of},
};

/// A server over a directory, and commands with a configuration of their own.
pub(super) struct Collected {
    pub(super) cache: Pushable,
    pub(super) standard: Standard,
    config: PathBuf,
    _scratch: Scratch,
}

impl Collected {
    pub(super) fn new(retention: &str) -> Self {
        let (cache, scratch, standard) = (Pushable::new(), Scratch::new(), Standard::new());
        for path in [&standard.dep, &standard.top, &standard.blob] {
            cache.push(&standard, path);
        }
        let config = scratch.join("config.toml");
        let collected = Self { cache, standard, config, _scratch: scratch };
        collected.limit(retention);
        collected
    }

    /// Has commands follow this policy from now on.
    pub(super) fn limit(&self, retention: &str) {
        let url = format!("file://{}", self.cache.directory.display());
        let text = format!("[storage]\nurl = {url:?}\n[retention]\n{retention}");
        fs::write(&self.config, text).unwrap();
    }

    pub(super) fn storage(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
        command.arg("storage").args(arguments).arg("-c").arg(&self.config);
        run(&mut command, Duration::from_secs(120))
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        let done = self.storage(&arguments);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
    }

    fn status(&self, path: &StorePath) -> u16 {
        self.cache.server.get(&narinfo_of(path)).status()
    }
}

/// Times are kept in whole seconds, and answers for less than one.
pub(super) fn next_second() {
    std::thread::sleep(Duration::from_millis(1100));
}

#[test]
fn the_default_keeps_everything_and_says_how_much_there_is() {
    let collected = Collected::new("");
    let said = collected.storage(&["gc", "--dry-run"]).success().text();
    assert!(said.contains("kept: 3 paths") && said.contains("would go: 0 paths"), "{said}");
    assert!(said.contains("no rule of [retention] lets anything go"), "{said}");
    collected.storage(&["gc"]).success();
    assert_eq!(collected.status(&collected.standard.top), 200);
    let said = collected.storage(&["why", &full(&collected.standard.dep)]).success().text();
    assert!(said.contains("no rule lets it go") && said.contains("stored"), "{said}");
}

#[test]
fn a_dry_run_says_what_goes_and_a_collection_removes_it_and_can_be_repeated() {
    let collected = Collected::new("min_age = \"0s\"\nkeep_roots = true\n");
    let standard = &collected.standard;
    next_second();
    let said = collected.storage(&["gc", "--dry-run"]).success().text();
    let place = |path: &StorePath| said.find(path.as_str()).unwrap_or_else(|| panic!("{said}"));
    assert!(place(&standard.top) < place(&standard.dep), "{said}");
    assert!(said.contains("would go: 3 paths") && said.contains("no root needs them"), "{said}");
    let json = collected.json(&["gc", "--dry-run"]);
    assert_eq!(json["going"].as_array().unwrap().len(), 3, "{json}");
    assert_eq!(json["going"][0]["cause"], "unrooted");
    assert_eq!(json["freed"]["unrooted"]["paths"], 3);
    assert_eq!(collected.status(&standard.top), 200, "nothing has changed");
    let why = collected.storage(&["why", &full(&standard.dep)]);
    assert_eq!(why.status.code(), Some(1));
    assert!(why.text().contains("goes with the next collection"), "{}", why.text());

    let json = collected.json(&["gc"]);
    assert_eq!(json["removed"]["paths"], 3, "{json}");
    assert_eq!(json["removed"]["bytes"], json["present"]);
    // The server may repeat its last answer for a second.
    next_second();
    for path in [&standard.dep, &standard.top, &standard.blob] {
        assert_eq!(collected.status(path), 404);
    }
    let nars = fs::read_dir(collected.cache.directory.join("nar")).unwrap();
    assert_eq!(nars.count(), 0);
    assert_eq!(collected.json(&["gc"])["removed"]["paths"], 0);
    let why = collected.storage(&["why", &full(&standard.dep)]);
    assert_eq!(why.status.code(), Some(1));
    assert!(why.stderr.contains("is not in the storage"), "{}", why.stderr);
    // All of it can be pushed again.
    collected.cache.push(standard, &standard.dep);
    collected.cache.push(standard, &standard.top);
    assert_eq!(collected.status(&standard.top), 200);
}

/// More than the sockets between server and client hold.
const LONG: usize = 48 << 20;

#[test]
fn a_reader_in_the_middle_of_a_download_gets_the_rest() {
    let collected = Collected::new("min_age = \"0s\"\nkeep_roots = true\n");
    let (mut store, mut state) = (FixtureStore::new(), 1_u32);
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let long = store.add("long", Tree::file(noise.take(LONG).collect::<Vec<_>>()));
    let (narinfo, nar) = packed(store.info(&long), &store.nar(&long), Compression::None);
    let cache = &collected.cache;
    assert_eq!(cache.put(&format!("/{}", narinfo.url), nar.clone()).status(), 201);
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);
    next_second();
    let mut reader = TcpStream::connect(cache.server.address()).unwrap();
    let request = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", narinfo.url);
    reader.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![0; 64 << 10];
    reader.read_exact(&mut answer).unwrap();
    assert_eq!(collected.json(&["gc"])["removed"]["paths"], 4);
    next_second();
    assert_eq!(cache.server.get(&format!("/{}", narinfo.url)).status(), 404);
    reader.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(answer[end..] == nar[..], "{} of {} bytes came", answer.len() - end, nar.len());
}

#[test]
fn a_path_is_deleted_with_what_refers_to_it_or_not_at_all() {
    let collected = Collected::new("");
    let standard = &collected.standard;
    let refused = collected.storage(&["delete", &full(&standard.dep)]);
    assert_eq!(refused.status.code(), Some(1));
    let said = &refused.stderr;
    assert!(said.contains(standard.top.as_str()) && said.contains("--with-referrers"), "{said}");
    assert_eq!(collected.status(&standard.dep), 200);
    let deleted = collected.json(&["delete", "--with-referrers", &full(&standard.dep)]);
    let expected = [&standard.top, &standard.dep].map(|path| path.hash_part().to_string());
    assert_eq!(deleted["deleted"], Value::from(expected.to_vec()));
    next_second();
    assert_eq!(collected.status(&standard.dep), 404);
    assert_eq!(collected.status(&standard.top), 404);
    assert_eq!(collected.status(&standard.blob), 200);
    // Who did it is on record.
    let log = collected.storage(&["log", &full(&standard.top)]).success().text();
    assert!(log.contains("storage delete") && log.contains("deleted"), "{log}");
    let nothing = collected.storage(&["delete", &full(&standard.top)]);
    assert_eq!(nothing.status.code(), Some(1));
}

#[test]
fn what_was_just_pushed_stays_whatever_the_limit() {
    let collected = Collected::new("max_size = \"1\"\n");
    let said = collected.storage(&["gc", "--dry-run"]).success().text();
    assert!(said.contains("would go: 0 paths") && said.contains("within min_age"), "{said}");
    let why = collected.json(&["why", &full(&collected.standard.dep)]);
    assert_eq!(why["kept"][0]["reason"], "young", "{why}");
}

/// A server looks every few seconds, and this machine may be busy.
#[track_caller]
pub(super) fn within_a_minute(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The index of a server's storage, as a command beside it opens it.
pub(super) fn index_of(cache: &Pushable) -> (tokio::runtime::Runtime, SqliteIndex) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = cache.directory.join(".rust-nix-serve/index.sqlite");
    (runtime, SqliteIndex::new(file, false))
}

/// A server that collects by itself.
pub(super) fn collecting(retention: &str) -> (Pushable, Standard) {
    let section = format!("[retention]\nmin_age = \"0s\"\n{retention}");
    (Pushable::with(|builder| builder.section(&section)), Standard::new())
}

#[test]
fn a_server_collects_on_its_schedule_and_says_so_in_its_metrics() {
    let (cache, standard) = collecting("keep_roots = true\ninterval = \"1s\"\n");
    cache.push(&standard, &standard.blob);
    let (runtime, index) = index_of(&cache);
    let revision = RootRevision {
        revision: 1,
        created: SystemTime::now(),
        expires: None,
        label: None,
        pusher: Pusher { name: "ci".to_owned(), address: None },
        paths: vec![standard.top.clone()],
    };
    let name = RootName::parse("main").unwrap();
    runtime.block_on(index.import_root(&name, &[revision])).unwrap();
    // Without any grace a collection may take the reference before its referrer is there.
    within_a_minute(|| {
        let pushed = |path| {
            let (info, nar) = (standard.store.info(path), standard.store.nar(path));
            let (narinfo, file) = packed(info, &nar, Compression::Zstd);
            cache.put(&format!("/{}", narinfo.url), file);
            matches!(cache.put(&narinfo_of(path), text_of(&narinfo)).status(), 200 | 201)
        };
        pushed(&standard.dep) && pushed(&standard.top)
    });
    within_a_minute(|| cache.server.get(&narinfo_of(&standard.blob)).status() == 404);
    for path in [&standard.dep, &standard.top] {
        assert_eq!(cache.server.get(&narinfo_of(path)).status(), 200, "{path}");
    }
    let metrics = || cache.server.get("/metrics").text().to_owned();
    within_a_minute(|| {
        metrics().contains("rust_nix_serve_retention_kept_paths{reason=\"root\"} 2\n")
    });
    let metrics = metrics();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
        let value = line.unwrap_or_else(|| panic!("{name}: {metrics}")).rsplit(' ').next().unwrap();
        value.parse::<f64>().unwrap()
    };
    assert!(value("rust_nix_serve_retention_reclaimed_paths_total") >= 1.0);
    assert!(value("rust_nix_serve_retention_reclaimed_bytes_total") > 0.0);
    assert!(value("rust_nix_serve_retention_runs_total") >= 1.0);
    assert!(value("rust_nix_serve_retention_stored_bytes") > 0.0);
    assert!(value("rust_nix_serve_retention_next_run_timestamp_seconds") > 0.0);
}

#[test]
fn a_server_keeps_its_storage_below_the_limit() {
    let (cache, standard) = collecting("interval = \"0s\"\nmax_size = \"4K\"\n");
    let paths = [&standard.blob, &standard.tree, &standard.dep];
    for path in paths {
        cache.push(&standard, path);
    }
    let size = || {
        let files = fs::read_dir(cache.directory.join("nar")).unwrap();
        files.map(|file| file.unwrap().metadata().map_or(0, |file| file.len())).sum::<u64>()
    };
    let before = size();
    assert!(before > 4 << 10, "{before}: the limit is exceeded");
    within_a_minute(|| size() <= 4 << 10);
    // Paths that go, go whole: no narinfo without its NAR.
    for path in paths {
        let answer = cache.server.get(&narinfo_of(path));
        if answer.status() == 200 {
            let url = field(&answer, "URL").unwrap().to_owned();
            within_a_minute(|| {
                cache.server.get(&format!("/{url}")).status() == 200
                    || cache.server.get(&narinfo_of(path)).status() == 404
            });
        }
    }
}

#[test]
fn the_operator_is_told_before_the_limit_is_reached_and_what_would_go() {
    let standard = Standard::new();
    let paths = [&standard.blob, &standard.tree, &standard.dep];
    let size = |path: &&StorePath| {
        let (info, nar) = (standard.store.info(path), standard.store.nar(path));
        packed(info, &nar, Compression::Zstd).1.len()
    };
    // They take 90 % of it.
    let max_size = paths.iter().map(size).sum::<usize>() * 10 / 9;
    let (cache, _) = collecting(&format!("interval = \"0s\"\nmax_size = \"{max_size}\"\n"));
    for path in paths {
        cache.push(&standard, path);
        next_second();
    }
    let told = format!("from 95 % on the least recently used closures go, first: {}", paths[0]);
    within_a_minute(|| cache.server.stderr().contains(&told));
    for path in paths {
        assert_eq!(cache.server.get(&narinfo_of(path)).status(), 200, "{path}: nothing goes yet");
    }
}

#[test]
fn a_dry_run_names_the_documents_that_go_with_a_path() {
    let collected = Collected::new("min_age = \"0s\"\nkeep_roots = true\n");
    let log = |path: &str| format!("log/{path}");
    let made_by = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";
    let other = format!("{}-other.drv", "0".repeat(32));
    for key in [log(made_by), log(&other)] {
        let file = collected.cache.directory.join(&key);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "built\n").unwrap();
        let file = fs::File::options().write(true).open(&file).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
    }
    let standard = &collected.standard;
    collected.cache.push(standard, &standard.itself);
    assert_eq!(collected.cache.server.get(&format!("/{}", log(made_by))).status(), 200);
    next_second();
    let unknown = "2 documents that the index does not know";
    for _ in 0..2 {
        let said = collected.storage(&["gc", "--dry-run"]).success().text();
        assert!(said.contains(unknown) && !said.contains(&log(&other)), "{said}");
    }
    assert_eq!(collected.json(&["gc", "--dry-run"])["unknownDocuments"], 2);
    collected.storage(&["index", "--rebuild"]).success();
    next_second();
    let said = collected.storage(&["gc", "--dry-run"]).success().text();
    assert!(said.contains(&log(&other)) && said.contains("2 build logs"), "{said}");
    assert!(!said.contains("does not know"), "{said}");
    let json = collected.json(&["gc", "--dry-run"]);
    let going = json["goingDocuments"].as_array().unwrap();
    assert!(going.contains(&log(&other).into()) && going.contains(&log(made_by).into()), "{json}");
    assert_eq!(json["documents"]["freed"]["log"], 2, "{json}");
    assert_eq!(collected.status(&standard.itself), 200, "nothing has changed");
    let json = collected.json(&["gc"]);
    assert_eq!(json["removed"]["documents"]["log"], 2, "{json}");
    assert!(fs::read_dir(collected.cache.directory.join("log")).unwrap().next().is_none());
}

#[test]
fn what_clients_read_is_noted_in_the_index() {
    let (cache, standard) = collecting("interval = \"0s\"\n");
    let narinfo = cache.push(&standard, &standard.blob);
    cache.push(&standard, &standard.dep);
    let (runtime, index) = index_of(&cache);
    let is_used = |path: &StorePath| {
        let found = runtime.block_on(index.path_record(&path.hash_part())).unwrap();
        found.unwrap().0.used.is_some()
    };
    assert!(!is_used(&standard.blob) && !is_used(&standard.dep));
    assert_eq!(cache.server.get(&narinfo_of(&standard.dep)).status(), 200);
    assert_eq!(cache.server.get(&format!("/{}", narinfo.url)).status(), 200);
    within_a_minute(|| is_used(&standard.dep) && is_used(&standard.blob));
}
