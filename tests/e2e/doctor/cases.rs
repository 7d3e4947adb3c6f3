//! Every kind of fault has a test in this folder, with a set-up that is really broken.

use std::{collections::BTreeSet, fs, path::Path};

use rns_doctor::FindingId;

/// The ways in which tests say that a fault is found.
const ASSERTIONS: [&str; 7] = [
    ".names(&[",
    ".has(",
    ".ids()==[",
    "assert_faults(",
    "assert_keys(",
    "assert_netrc(",
    "assert_token(",
];

/// All words in quotation marks in the assertions of a source file, names among them.
fn asserted(source: &str) -> BTreeSet<String> {
    let source: String = source.split_whitespace().collect();
    let mut names = BTreeSet::new();
    for assertion in ASSERTIONS {
        for rest in source.split(assertion).skip(1) {
            let call = rest.split(");").next().unwrap();
            names.extend(call.split('"').map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_finding_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/doctor");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    // This file asserts nothing of a set-up.
    let files = files.filter(|file| !file.ends_with("cases.rs"));
    let sources: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let cases: BTreeSet<String> = sources.iter().flat_map(|source| asserted(source)).collect();
    let lacking: Vec<&str> =
        FindingId::ALL.iter().map(|id| id.name()).filter(|name| !cases.contains(*name)).collect();
    assert!(lacking.is_empty(), "no test has a set-up with {lacking:?}");
}
