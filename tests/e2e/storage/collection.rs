//! `rust-nix-serve storage gc`, `why` and `delete`, with a configuration file, beside a server.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use rns_formats::StorePath;
use rns_testing::{Finished, Scratch, Standard, run};
use serde_json::Value;

use crate::{
    support::{full, narinfo_of},
    uploads::Pushable,
};

/// A server over a directory, and commands with a configuration of their own.
struct Collected {
    cache: Pushable,
    standard: Standard,
    config: PathBuf,
    _scratch: Scratch,
}

impl Collected {
    fn new(retention: &str) -> Self {
        let (cache, scratch, standard) = (Pushable::new(), Scratch::new(), Standard::new());
        for path in [&standard.dep, &standard.top, &standard.blob] {
            cache.push(&standard, path);
        }
        let config = scratch.join("config.toml");
        let url = format!("file://{}", cache.directory.display());
        let text = format!("[storage]\nurl = {url:?}\n[retention]\n{retention}");
        fs::write(&config, text).unwrap();
        Self { cache, standard, config, _scratch: scratch }
    }

    fn storage(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
        command.arg("storage").args(arguments).arg("-c").arg(&self.config);
        run(&mut command, Duration::from_secs(120))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        let done = self.storage(&arguments);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
    }

    fn status(&self, path: &StorePath) -> u16 {
        self.cache.server.get(&narinfo_of(path)).status()
    }
}

/// Times are kept in whole seconds, and answers for less than one.
fn next_second() {
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
    // What the server has just answered it may answer for a second.
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
