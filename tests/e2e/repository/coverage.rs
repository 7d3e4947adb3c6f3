//! The list of conformance checks in `docs/protocol.md` is that of the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

/// The numbers of the checks.
const CHECKS: std::ops::RangeInclusive<u32> = 1..=95;

const START: &str = "<!-- checks -->\n";
const END: &str = "<!-- end of checks -->";

/// The functions of the tests by the numbers that their names begin with.
fn tests_by_number() -> BTreeMap<u32, BTreeSet<String>> {
    let mut tests: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e");
    let folders = entries(&modules).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder)).filter(|path| path.is_file());
    for path in files {
        for line in fs::read_to_string(path).unwrap().lines() {
            let Some(rest) = line.trim_start().strip_prefix("fn c") else { continue };
            let Some((name, _)) = rest.split_once('(') else { continue };
            for number in numbers(name) {
                tests.entry(number).or_default().insert(format!("c{name}"));
            }
        }
    }
    tests
}

/// `14_c15_the_file…` is about 14 and 15.
fn numbers(name: &str) -> Vec<u32> {
    let parts = name.split('_').map(|part| part.trim_start_matches('c'));
    parts.map_while(|part| part.parse().ok()).collect()
}

/// The number and the middle of `| C01 | the check | tests |`.
fn description(row: &str) -> Option<(u32, &str)> {
    let (number, rest) = row.strip_prefix("| C")?.split_once(" | ")?;
    let (description, _) = rest.split_once(" | ")?;
    (!description.is_empty()).then_some((number.parse().ok()?, description))
}

/// The table, with the descriptions that it has and the tests that there are.
fn table(listed: &str) -> String {
    let descriptions: BTreeMap<u32, &str> = listed.lines().filter_map(description).collect();
    let tests = tests_by_number();
    let mut table = String::from("\n| check | rule | tests |\n|---|---|---|\n");
    for number in CHECKS {
        let asked = descriptions.get(&number);
        let asked = asked.unwrap_or_else(|| panic!("check {number} is not described"));
        let names = tests.get(&number).unwrap_or_else(|| panic!("no test for check {number}"));
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        writeln!(table, "| C{number:02} | {asked} | {} |", names.join(", ")).unwrap();
    }
    table.push('\n');
    table
}

#[test]
fn coverage_of_the_protocol_is_listed_in_the_documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let table = table(listed);
    if std::env::var_os("RNS_UPDATE").is_some() {
        fs::write(&path, format!("{before}{START}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(listed, table, "docs/protocol.md is stale: run this test with RNS_UPDATE=1");
    }
}
