//! `max_size` and `keep_free`: the paths that go when they are exceeded, and the lines in the log.

use std::{collections::BTreeSet, fs, path::Path, time::SystemTime};

use rns_cache::{Pusher, RootRevision};
use rns_formats::{RootName, StorePath};
use rns_storage::index::RootIndex as _;
use rns_testing::Standard;
use serde_json::Value;

use super::collection::{Collected, collecting, index_of, next_second, within_a_minute};
use crate::{
    support::{full, narinfo_of},
    uploads::Pushable,
};

/// Bytes of the NARs in a directory.
fn stored(cache: &Pushable) -> u64 {
    let files = fs::read_dir(cache.directory.join("nar")).unwrap();
    files.map(|file| file.unwrap().metadata().map_or(0, |file| file.len())).sum()
}

fn times_told(cache: &Pushable, text: &str) -> usize {
    cache.server.stderr().matches(text).count()
}

#[test]
fn why_says_which_place_a_path_has_among_those_that_go() {
    let collected = Collected::new("min_age = \"0s\"\nmax_size = \"1K\"\n");
    next_second();
    let standard = &collected.standard;
    let dry_run = collected.json(&["gc", "--dry-run"]);
    let going = dry_run["going"].as_array().unwrap();
    assert_eq!(going.len(), 3, "{dry_run}");
    for path in [&standard.dep, &standard.top, &standard.blob] {
        let path = full(path);
        let place = 1 + going
            .iter()
            .position(|going| path.ends_with(going["path"].as_str().unwrap()))
            .unwrap();
        let why = collected.storage(&["why", &path]);
        assert_eq!(why.status.code(), Some(1), "{why:?}");
        let said = why.text();
        assert!(said.contains("goes: max_size is exceeded"), "{said}");
        assert!(said.contains(&format!("number {place} of 3 paths that go")), "{said}");
        let why = collected.json(&["why", &path]);
        assert_eq!(
            (&why["going"]["cause"], &why["going"]["place"]),
            (&"size".into(), &place.into())
        );
        assert_eq!(why["kept"], Value::Array(Vec::new()));
    }
}

#[test]
fn why_says_that_others_go_first_where_that_is_enough() {
    let collected = Collected::new("");
    let standard = &collected.standard;
    let present = collected.json(&["gc", "--dry-run"])["present"].as_u64().unwrap();
    next_second();
    assert_eq!(collected.cache.server.get(&narinfo_of(&standard.top)).status(), 200);
    within_a_minute(|| !collected.json(&["why", &full(&standard.top)])["read"].is_null());
    next_second();
    collected.limit(&format!("min_age = \"0s\"\nmax_size = \"{present}\"\n"));
    let goes = collected.json(&["why", &full(&standard.blob)]);
    assert_eq!(
        (&goes["going"]["place"], &goes["maxSizePercent"]),
        (&1.into(), &100.into()),
        "{goes}"
    );
    let stays = collected.storage(&["why", &full(&standard.dep)]).success().text();
    assert!(stays.contains("used less recently are enough"), "{stays}");
    assert!(stays.contains("max_size: 100 % used"), "{stays}");
    collected.limit("min_age = \"0s\"\nmax_size = \"1G\"\n");
    let stays = collected.storage(&["why", &full(&standard.blob)]).success().text();
    assert!(stays.contains("before a limit is exceeded") && stays.contains(" 0 % used"), "{stays}");
}

#[test]
fn a_storage_above_its_limit_is_told_once_and_so_is_its_end() {
    let (cache, standard) = collecting("interval = \"0s\"\nmax_size = \"4K\"\n");
    for path in [&standard.blob, &standard.tree, &standard.dep] {
        cache.push(&standard, path);
    }
    assert!(stored(&cache) > 4 << 10);
    within_a_minute(|| stored(&cache) <= 4 << 10);
    let (above, below) =
        ("more than the 4096 of retention.max_size", "below retention.max_size (4096) again");
    within_a_minute(|| times_told(&cache, below) == 1);
    assert_eq!(times_told(&cache, above), 1, "{}", cache.server.stderr());
    assert!(cache.server.stderr().contains("the least recently used closures go now"));
}

#[test]
fn a_limit_is_kept_as_soon_as_something_is_old_enough() {
    let standard = Standard::new();
    let section = "[retention]\nmin_age = \"12s\"\ninterval = \"0s\"\nmax_size = \"4K\"\n";
    let cache = Pushable::with(|builder| builder.section(section));
    cache.push(&standard, &standard.blob);
    assert!(stored(&cache) > 4 << 10);
    within_a_minute(|| {
        times_told(&cache, "and nothing more may go now: all of it is younger") == 1
    });
    within_a_minute(|| stored(&cache) == 0);
}

fn root(cache: &Pushable, path: &StorePath) {
    let (runtime, index) = index_of(cache);
    let revision = RootRevision {
        revision: 1,
        created: SystemTime::now(),
        expires: None,
        label: None,
        pusher: Pusher { name: "ci".to_owned(), address: None },
        paths: vec![path.clone()],
    };
    let name = RootName::parse("main").unwrap();
    runtime.block_on(index.import_root(&name, &[revision])).unwrap();
}

/// No disk has as much free.
const ALL: &str = "keep_free = \"100%\"\n";

#[test]
fn on_a_full_disk_all_goes_that_neither_age_nor_roots_keep() {
    let section = format!("[retention]\nmin_age = \"12s\"\ninterval = \"0s\"\n{ALL}");
    let (cache, standard) = (Pushable::with(|builder| builder.section(&section)), Standard::new());
    for path in [&standard.dep, &standard.top] {
        cache.push(&standard, path);
    }
    root(&cache, &standard.top);
    cache.push(&standard, &standard.blob);
    within_a_minute(|| times_told(&cache, "of retention.keep_free: the least recently used") == 1);
    within_a_minute(|| cache.server.get(&narinfo_of(&standard.blob)).status() == 404);
    within_a_minute(|| {
        times_told(&cache, "missing to retention.keep_free, and nothing more may go now") == 1
    });
    for path in [&standard.dep, &standard.top] {
        assert_eq!(cache.server.get(&narinfo_of(path)).status(), 200, "{path}");
    }
    let metrics = cache.server.get("/metrics").text().to_owned();
    let value = |name: &str| {
        let start = format!("rust_nix_serve_disk_{name}_bytes{{of=\"storage\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&start));
        value.unwrap_or_else(|| panic!("{name}: {metrics}")).parse::<u64>().unwrap()
    };
    assert!(value("free") < value("keep_free"), "{metrics}");
}

#[test]
fn a_full_disk_is_a_reason_that_is_told() {
    let collected = Collected::new(&format!("min_age = \"0s\"\n{ALL}"));
    next_second();
    let json = collected.json(&["gc", "--dry-run"]);
    assert_eq!(json["freed"]["disk"]["paths"], 3, "{json}");
    let why = collected.storage(&["why", &full(&collected.standard.dep)]);
    assert_eq!(why.status.code(), Some(1));
    assert!(why.text().contains("the disk has less free than keep_free"), "{}", why.text());
    assert_eq!(collected.json(&["gc"])["removed"]["paths"], 3);
}

#[test]
fn alerts_are_about_metrics_that_there_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nixos/data/alerts.nix");
    let rules = fs::read_to_string(file).unwrap();
    let is_name = |letter: char| letter == '_' || letter.is_ascii_lowercase();
    let names: BTreeSet<&str> = rules
        .split(|letter| !is_name(letter))
        .filter(|word| word.starts_with("rust_nix_serve_"))
        .collect();
    assert!(names.len() >= 6, "{names:?}");
    let (cache, standard) = collecting("max_size = \"1G\"\nkeep_free = \"1\"\ninterval = \"1s\"\n");
    cache.push(&standard, &standard.blob);
    within_a_minute(|| {
        let metrics = cache.server.get("/metrics").text().to_owned();
        let is_there =
            |name: &str| metrics.lines().any(|line| line.split([' ', '{']).next() == Some(name));
        names.iter().all(|name| is_there(name))
    });
}
