//! A storage and the index of it: commands beside a server use the server's, and no other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rns_storage::index::{Index as _, sqlite::SqliteIndex};
use rns_testing::{Scratch, Standard, run};

use super::commands::{json, storage, url_of};
use crate::{support::full, uploads::Pushable};

/// A server over a directory, with an index that lies elsewhere.
struct Apart {
    cache: Pushable,
    standard: Standard,
    index: PathBuf,
    scratch: Scratch,
}

impl Apart {
    fn new() -> Self {
        let (scratch, standard) = (Scratch::new(), Standard::new());
        let index = scratch.join("server.sqlite");
        let section = format!("[index]\nurl = \"sqlite://{}\"", index.display());
        let cache = Pushable::with(|builder| builder.section(&section));
        for path in [&standard.dep, &standard.top] {
            cache.push(&standard, path);
        }
        Self { cache, standard, index, scratch }
    }

    fn url(&self) -> String {
        url_of(&self.cache.directory)
    }
}

fn with_index(index: &Path) -> [(&'static str, String); 1] {
    [("RUST_NIX_SERVE_INDEX_URL", format!("sqlite://{}", index.display()))]
}

#[test]
fn a_command_that_finds_no_index_of_a_filled_storage_says_so_and_makes_none() {
    let apart = Apart::new();
    let path = full(&apart.standard.dep);
    let missing = apart.cache.directory.join(".rust-nix-serve/index.sqlite");
    for arguments in [
        vec!["why", &path],
        vec!["log", &path],
        vec!["delete", &path],
        vec!["gc", "--dry-run"],
        vec!["gc"],
    ] {
        // As without the variable of the server's unit: the usual place is looked at.
        let refused = storage(&arguments, &apart.url(), &[]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = &refused.stderr;
        assert!(said.contains(&format!("there is no index {}", missing.display())), "{said}");
        assert!(said.contains("has paths") && said.contains("index.url"), "{said}");
        assert!(said.contains("storage index --rebuild"), "{said}");
        assert!(!missing.exists());
    }
    let variables = with_index(&apart.index);
    let told = storage(&["log", &path], &apart.url(), &variables).success();
    assert!(told.stderr.contains(&format!("index: {}", apart.index.display())), "{told:?}");
    for arguments in [vec!["why", &path], vec!["gc", "--dry-run"], vec!["index", "--rebuild"]] {
        let told = json(&arguments, &apart.url(), &variables);
        assert_eq!(told["index"], apart.index.to_str().unwrap(), "{told}");
    }
}

#[test]
fn an_index_that_knows_no_path_of_a_filled_storage_is_refused() {
    let apart = Apart::new();
    let empty = apart.scratch.join("empty.sqlite");
    let other = apart.scratch.join("other");
    fs::create_dir(&other).unwrap();
    let dry = ["gc", "--dry-run"];
    // Nothing is in there, so nothing is missed.
    let made = storage(&["gc"], &url_of(&other), &with_index(&empty)).success();
    assert!(made.stderr.contains("(new)") && empty.exists(), "{made:?}");
    fs::copy(apart.cache.directory.join("nix-cache-info"), other.join("nix-cache-info")).unwrap();
    for entry in fs::read_dir(&apart.cache.directory).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            fs::copy(&file, other.join(file.file_name().unwrap())).unwrap();
        }
    }
    let refused = storage(&dry, &url_of(&other), &with_index(&empty));
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains("knows no path"), "{}", refused.stderr);
}

#[test]
fn commands_that_only_look_make_no_index_and_take_none_for_that_of_their_storage() {
    let (scratch, standard) = (Scratch::new(), Standard::new());
    let [one, other] = ["one", "other"].map(|name| scratch.join(name));
    for directory in [&one, &other] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
    }
    let (index, path) = (scratch.join("index.sqlite"), full(&standard.dep));
    let variables = with_index(&index);
    let look = |directory: &Path| {
        let dry_run = storage(&["gc", "--dry-run"], &url_of(directory), &variables).success();
        assert!(dry_run.text().contains("would go: 0 paths"), "{dry_run:?}");
        for command in ["why", "log"] {
            let done = storage(&[command, &path], &url_of(directory), &variables);
            assert_eq!(done.status.code(), Some(1), "{done:?}");
        }
    };
    look(&one);
    assert!(!index.exists(), "there is nothing to look at");
    // An empty one, of no storage yet.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let empty = SqliteIndex::new(index.clone(), false);
    runtime.block_on(empty.check()).unwrap();
    look(&one);
    storage(&["verify"], &url_of(&one), &variables).success();
    storage(&["gc"], &url_of(&other), &variables).success();
    let refused = storage(&["why", &path], &url_of(&one), &variables);
    assert_eq!(refused.status.code(), Some(2), "it is that of the other one now: {refused:?}");
}

#[test]
fn an_index_of_another_storage_is_refused_by_commands_and_servers() {
    let apart = Apart::new();
    let other = apart.scratch.join("other");
    fs::create_dir(&other).unwrap();
    let info = "nix-cache-info";
    fs::copy(apart.cache.directory.join(info), other.join(info)).unwrap();
    let (url, variables) = (url_of(&other), with_index(&apart.index));
    let mut serve = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    serve.args(["serve", "--storage", &url, "--listen", "127.0.0.1:0"]);
    serve.envs(variables.iter().map(|(name, value)| (*name, value)));
    let all = [
        storage(&["gc"], &url, &variables),
        storage(&["adopt"], &url, &variables),
        storage(&["index", "--rebuild"], &url, &variables),
        run(&mut serve, Duration::from_secs(60)),
    ];
    for refused in all {
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = &refused.stderr;
        assert!(said.contains(&apart.index.display().to_string()), "{said}");
        assert!(said.contains(&format!("is of {}, and not of {url}", apart.url())), "{said}");
    }
    // Nothing of the server was taken out of its index.
    let path = full(&apart.standard.top);
    storage(&["why", &path], &apart.url(), &variables).success();

    // Unless both are one storage.
    let told = storage(&["index", "--same-storage"], &url, &variables).success();
    assert!(told.stderr.contains(&url), "{}", told.stderr);
    storage(&["gc", "--dry-run"], &url, &variables).success();
    storage(&["why", &path], &apart.url(), &variables).success();
}

#[test]
fn a_directory_that_is_moved_takes_its_index_with_it() {
    let (scratch, standard) = (Scratch::new(), Standard::new());
    let cache = Pushable::new();
    cache.push(&standard, &standard.dep);
    let Pushable { server, directory, .. } = &cache;
    assert_eq!(server.get(&crate::support::narinfo_of(&standard.dep)).status(), 200);
    let path = full(&standard.dep);
    // The index learns some milliseconds later that the path is published.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !storage(&["why", &path], &url_of(directory), &[]).status.success() {
        assert!(Instant::now() < deadline, "the path is not published");
    }
    let moved = scratch.join("moved");
    super::copy_tree(directory, &moved);
    let log = storage(&["log", &path], &url_of(&moved), &[]).success();
    assert!(log.text().contains("token ci"), "{log:?}");
}
