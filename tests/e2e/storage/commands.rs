//! `rust-nix-serve storage …`: the commands of operators for a storage.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use rns_cache::Pusher;
use rns_formats::Sha256Digest;
use rns_storage::index::{Index, postgres::PostgresIndex, sqlite::SqliteIndex};
use rns_testing::{Finished, PostgresServer, Process, S3Server, Scratch, Standard, run};
use serde_json::Value;

use super::{copy_tree, of_directory, written_by};
use crate::support::{PUBLIC_KEY, SECRET_KEY, fields, full, narinfo_of, nixes, write_key};

/// Runs a command over a storage, with these variables.
pub(super) fn storage(arguments: &[&str], url: &str, variables: &[(&str, String)]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.arg("storage").args(arguments).args(["--storage", url]);
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    run(&mut command, Duration::from_secs(120))
}

/// The answer as JSON.
pub(super) fn json(arguments: &[&str], url: &str, variables: &[(&str, String)]) -> Value {
    let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
    let done = storage(&arguments, url, variables);
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

pub(super) fn url_of(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

/// A directory with the closure of a path, as a real Nix wrote it. `None` without Nix.
fn directory() -> Option<(Standard, Scratch)> {
    let nix = nixes().last()?;
    let standard = Standard::new();
    let paths = [&standard.itself, &standard.blob];
    let directory = written_by(&nix, &standard.store, &paths, "compression=zstd");
    Some((standard, directory))
}

fn nar_file(directory: &Path, narinfo: &str) -> PathBuf {
    let text = fs::read_to_string(directory.join(narinfo.trim_start_matches('/'))).unwrap();
    directory.join(text.lines().find_map(|line| line.strip_prefix("URL: ")).unwrap())
}

/// Adopts the storage, and finds who pushed one of its paths.
fn adopted(standard: &Standard, index: &dyn Index, url: &str, variables: &[(&str, String)]) {
    let done = storage(&["adopt"], url, variables).success();
    assert_eq!(done.text(), "3 paths adopted, 0 taken out, 0 not usable\n");
    let done = json(&["verify", "--content"], url, variables);
    assert_eq!((&done["paths"], &done["unmended"]), (&3.into(), &0.into()), "{done}");

    let path = full(&standard.dep);
    let nothing = storage(&["log", &path], url, variables);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(nothing.stderr.contains("no push"), "{}", nothing.stderr);
    let pusher = Pusher { name: "token ci".into(), address: Some("192.0.2.1".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hash = standard.dep.hash_part();
    runtime.block_on(index.end_publish(&hash, Some(&pusher))).unwrap();
    // Some notes are committed with the next order.
    runtime.block_on(index.check()).unwrap();
    for name in [&path, standard.dep.as_str(), &hash.to_string()] {
        let log = storage(&["log", name], url, variables).success().text();
        assert!(log.contains("Z  token ci  192.0.2.1\n"), "{log}");
    }
    let log = json(&["log", &path], url, variables);
    assert_eq!(log[0]["pusher"], "token ci");
    let why = json(&["why", &path], url, variables);
    for time in [&log[0]["at"], &why["pushed"], &why["touched"]] {
        let time = time.as_str().unwrap();
        assert!(time.starts_with("20") && time.contains('T') && time.ends_with('Z'), "{time}");
    }
    // The log is not made anew from the storage, and stays.
    storage(&["index", "--rebuild"], url, variables).success();
    storage(&["log", &path], url, variables).success();
}

#[test]
fn a_directory_is_adopted_unchanged() {
    let Some((standard, directory)) = directory() else { return };
    let narinfo = directory.path().join(narinfo_of(&standard.itself).trim_start_matches('/'));
    let before = fs::read(&narinfo).unwrap();
    let index = SqliteIndex::new(directory.path().join(".rust-nix-serve/index.sqlite"), false);
    adopted(&standard, &index, &url_of(directory.path()), &[]);
    assert!(fs::read(&narinfo).unwrap() == before);
}

#[test]
fn a_bucket_with_an_index_in_postgresql_is_adopted() {
    let Some((standard, directory)) = directory() else { return };
    let (Some(bucket), Some(database)) = (S3Server::start(), PostgresServer::start()) else {
        return;
    };
    copy_tree(directory.path(), &bucket.directory());
    let credentials = bucket.credentials_file().display().to_string();
    let variables = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials),
        ("RUST_NIX_SERVE_INDEX_URL", database.url()),
    ];
    adopted(&standard, &PostgresIndex::new(&database.url()).unwrap(), &bucket.url(), &variables);
}

#[test]
fn a_new_key_signs_everything_that_is_served() {
    let Some((standard, directory)) = directory() else { return };
    let url = url_of(directory.path());
    let scratch = Scratch::new();
    let key = scratch.join("key");
    write_key(&key, SECRET_KEY);
    let refused = storage(&["sign"], &url, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stderr.contains("--signing-key"), "{}", refused.stderr);
    let arguments = ["sign", "--signing-key", key.to_str().unwrap()];
    let done = storage(&arguments, &url, &[]).success();
    assert_eq!(done.text(), "3 paths signed, 0 unchanged, 0 not usable\n");
    // A key of the configuration is the same one.
    let variables = [("RUST_NIX_SERVE_SIGNING_KEYS", key.display().to_string())];
    assert_eq!(json(&["sign"], &url, &variables)["unchanged"], 3);
    let server = of_directory(directory.path()).start();
    let narinfo = server.get(&narinfo_of(&standard.itself));
    assert_eq!(fields(&narinfo, "Sig").len(), 1);
    let nix = nixes().last().unwrap();
    let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
    client.nix_command(["copy", "--from", server.url(), &full(&standard.itself)]).success();
}

/// Writes `count` narinfos without references, and returns the file and the text of each.
fn many_narinfos(directory: &Path, count: usize) -> Vec<(PathBuf, String)> {
    fs::write(directory.join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
    let narinfos = (0..count).map(|number| {
        let hash = Sha256Digest::of(number.to_string().as_bytes()).to_nix32();
        let part = &hash[hash.len() - 32..];
        let text = format!(
            "StorePath: /nix/store/{part}-{number}\nURL: nar/{hash}.nar\nCompression: none\n\
             FileHash: sha256:{hash}\nFileSize: 1\nNarHash: sha256:{hash}\nNarSize: 1\nReferences: \n"
        );
        let file = directory.join(format!("{part}.narinfo"));
        fs::write(&file, &text).unwrap();
        (file, text)
    });
    narinfos.collect()
}

#[test]
fn signing_that_is_killed_leaves_whole_narinfos_and_goes_on_when_it_is_repeated() {
    const PATHS: usize = 600;
    let directory = Scratch::new();
    let narinfos = many_narinfos(directory.path(), PATHS);
    let (url, keys) = (url_of(directory.path()), Scratch::new());
    let key = keys.join("key");
    write_key(&key, SECRET_KEY);
    let arguments = ["sign", "--signing-key", key.to_str().unwrap()];
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.arg("storage").args(arguments).args(["--storage", &url]);
    let signing = Process::start(&mut command);
    let signed = || {
        let of_file = |(file, _): &&(PathBuf, String)| fs::read_to_string(file).unwrap();
        narinfos.iter().filter(|found| of_file(found).contains("Sig: ")).count()
    };
    crate::support::eventually(|| signed() > 0);
    drop(signing);
    for (file, text) in &narinfos {
        let found = fs::read_to_string(file).unwrap();
        let added = found.strip_prefix(text.as_str()).unwrap_or_else(|| panic!("{found}"));
        let is_whole = added.is_empty() || added.starts_with("Sig: ") && added.ends_with("=\n");
        assert!(is_whole, "{found}");
    }
    let before = signed();
    let done = json(&arguments, &url, &[]);
    assert_eq!((&done["unchanged"], &done["signed"]), (&before.into(), &(PATHS - before).into()));
    assert_eq!(signed(), PATHS);
}

#[test]
fn faults_are_found_and_mended() {
    let Some((standard, directory)) = directory() else { return };
    let url = url_of(directory.path());
    storage(&["adopt"], &url, &[]).success();
    let nar = nar_file(directory.path(), &narinfo_of(&standard.dep));
    let blob = nar_file(directory.path(), &narinfo_of(&standard.blob));
    let mut altered = fs::read(&blob).unwrap();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    fs::write(&blob, altered).unwrap();
    storage(&["verify"], &url, &[]).success();
    fs::remove_file(&nar).unwrap();

    let found = storage(&["verify"], &url, &[]);
    assert_eq!(found.status.code(), Some(1));
    assert!(found.text().contains(&format!("{}: its NAR is missing\n", standard.dep)));
    let found = storage(&["verify", "--content"], &url, &[]);
    let lines = found.text();
    assert!(lines.contains(&format!("{}: its NAR differs from the published one", standard.blob)));
    assert!(found.stderr.contains("storage verify --content --repair` mends"), "{}", found.stderr);
    let mended = json(&["verify", "--content", "--repair"], &url, &[]);
    // The referrer of the missing path goes with it.
    assert_eq!((&mended["withdrawn"], &mended["unmended"]), (&3.into(), &0.into()), "{mended}");
    storage(&["verify", "--content", "--repair"], &url, &[]).success();
    let server = of_directory(directory.path()).start();
    for path in [&standard.dep, &standard.itself, &standard.blob] {
        assert_eq!(server.get(&narinfo_of(path)).status(), 404);
    }
}

#[test]
fn repairs_that_run_at_the_same_time_mend_everything_and_no_more() {
    let Some((standard, directory)) = directory() else { return };
    let url = url_of(directory.path());
    storage(&["adopt"], &url, &[]).success();
    fs::remove_file(nar_file(directory.path(), &narinfo_of(&standard.dep))).unwrap();
    let repair = || storage(&["verify", "--content", "--repair"], &url, &[]);
    let done: Vec<Finished> = thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(repair)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for one in done {
        one.success();
    }
    storage(&["verify", "--content"], &url, &[]).success();
    let server = of_directory(directory.path()).start();
    for (path, status) in [(&standard.dep, 404), (&standard.itself, 404), (&standard.blob, 200)] {
        assert_eq!(server.get(&narinfo_of(path)).status(), status, "{path}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let scratch = Scratch::new();
    let missing = scratch.join("typo");
    let url = url_of(&missing);
    for arguments in [&["adopt"][..], &["verify"], &["index", "--rebuild"]] {
        let refused = storage(arguments, &url, &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(refused.stderr.contains("typo: No such file"), "{}", refused.stderr);
    }
    let (mut server, _scratch) = of_directory(&missing).spawn();
    crate::support::assert_refuses_to_start(&mut server, "cannot use storage.url");
    assert!(!missing.exists());
    // An empty directory is no binary cache.
    fs::create_dir(&missing).unwrap();
    let refused = storage(&["adopt"], &url, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stderr.contains("nix-cache-info is missing"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(&missing).unwrap().count(), 0);
}

#[test]
fn root_makes_nothing_in_the_directory_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let directory = scratch.join("cache");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(65_534), None).unwrap();
    let url = url_of(&directory);
    let refused = storage(&["gc"], &url, &[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains("sudo -u nobody"), "{}", refused.stderr);
    let pushed = crate::push::push(&standard.store, &url, &[&standard.top], &[]);
    assert_eq!(pushed.status.code(), Some(2), "{pushed:?}");
    assert!(pushed.stderr.contains("sudo -u nobody"), "{}", pushed.stderr);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}
