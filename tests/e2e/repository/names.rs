//! One name means one thing: no two types of the program have the same name, and no two constants.
//!
//! A reader who searches for a name finds one definition. Names of associated types and constants, of enum variants and of
//! the code of tests do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::source_tokens::production;

/// Names that several crates may define, each with the reason: such a name is an idiom, and its module says whose it is.
/// An entry that is no longer needed is taken off.
const MAY_REPEAT: &[(&str, &str)] = &[];

/// The words that define a type.
const TYPES: [&str; 5] = ["struct", "enum", "union", "trait", "type"];

/// Names, and the files that define them.
type Definitions = BTreeMap<String, Vec<String>>;

/// The crates whose code goes into the program.
fn sources() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| !folder.ends_with("testing")).map(|path| path.join("src")).collect()
}

/// The files of a folder that hold production code, with their names from the crate on.
fn read(folder: &Path, files: &mut Vec<(String, Vec<String>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            read(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test {
            let name = path.display().to_string();
            let name = name.rsplit_once("/../").map_or(name.as_str(), |(_, rest)| rest).to_owned();
            files.push((name, production(&fs::read_to_string(&path).unwrap())));
        }
    }
}

/// The types and constants that these tokens define, in the order of their definitions.
fn defined(tokens: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    // Of each block that is open: true if its types and constants are associated with another type.
    let mut blocks = vec![false];
    let mut is_header = false;
    let mut before = ";";
    for (at, token) in tokens.iter().map(String::as_str).enumerate() {
        let name = tokens.get(at + 1).map_or("", String::as_str);
        let begins_item = matches!(before, ";" | "}" | "{" | ")" | "pub" | "unsafe");
        let is_name = name.starts_with(|first: char| first.is_ascii_uppercase());
        let is_type = TYPES.contains(&token) && is_name;
        let is_constant = matches!(token, "const" | "static") && is_name;
        if begins_item && (is_type || is_constant) && blocks.last() != Some(&true) {
            names.push(name.to_owned());
        }
        match token {
            "impl" | "trait" if begins_item => is_header = true,
            "{" => blocks.push(std::mem::take(&mut is_header)),
            "}" => _ = blocks.pop(),
            ";" => is_header = false,
            _ => {}
        }
        before = token;
    }
    names
}

fn definitions(files: Vec<(String, Vec<String>)>) -> Definitions {
    let mut definitions = Definitions::new();
    for (file, tokens) in files {
        for name in defined(&tokens) {
            definitions.entry(name).or_default().push(file.clone());
        }
    }
    definitions
}

/// The names with several definitions that are not allowed, and those that are allowed without need.
fn faults(definitions: &Definitions, allowed: &[(&str, &str)]) -> Vec<String> {
    let is_allowed = |name: &str| allowed.iter().any(|(allowed, _)| *allowed == name);
    let repeated = definitions.iter().filter(|(_, files)| files.len() > 1);
    let repeated: BTreeMap<&String, &Vec<String>> = repeated.collect();
    let names: BTreeSet<&str> = repeated.keys().map(|name| name.as_str()).collect();
    let forbidden = repeated.iter().filter(|(name, _)| !is_allowed(name));
    let forbidden =
        forbidden.map(|(name, files)| format!("{name} is defined in {}", files.join(", ")));
    let needless = allowed.iter().filter(|(name, _)| !names.contains(name));
    let needless = needless.map(|(name, _)| format!("{name} has one definition: take it off"));
    forbidden.chain(needless).collect()
}

#[test]
fn no_two_types_or_constants_of_the_program_have_one_name() {
    let mut files = Vec::new();
    for source in sources() {
        read(&source, &mut files);
    }
    let definitions = definitions(files);
    for known in ["StorePath", "BinaryCache", "ServerState", "MAX_NARINFO_BYTES"] {
        assert!(definitions.contains_key(known), "the definition of {known} is not found");
    }
    assert_eq!(faults(&definitions, MAY_REPEAT), Vec::<String>::new());
}

fn example(files: &[(&str, &str)]) -> Definitions {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), production(text)));
    definitions(files.collect())
}

#[test]
fn a_second_definition_is_found() {
    let definitions = example(&[
        ("a.rs", "pub struct Progress;\npub(crate) type Reply = u8;\npub const MAX_PATHS: u8 = 1;"),
        ("b.rs", "mod inner { pub(super) enum Progress { Reply } }\ntrait Reply {}"),
        (
            "c.rs",
            "impl A { fn f() { struct Held; } }\nunsafe trait Held {}\nconst MAX_PATHS: u8 = 2;",
        ),
    ]);
    let expected = [
        "Held is defined in c.rs, c.rs",
        "MAX_PATHS is defined in a.rs, c.rs",
        "Progress is defined in a.rs, b.rs",
        "Reply is defined in a.rs, b.rs",
    ];
    assert_eq!(faults(&definitions, &[]), expected);
    let allowed = [("Progress", "an example"), ("Reply", ""), ("Held", ""), ("MAX_PATHS", "")];
    assert_eq!(faults(&definitions, &allowed), Vec::<String>::new());
}

#[test]
fn associated_names_and_those_of_tests_may_repeat() {
    let definitions = example(&[
        (
            "a.rs",
            "impl Iterator for A { type Item = u8; }\nimpl A { const MAX_LEN: u8 = 1; fn f() {} }",
        ),
        (
            "b.rs",
            "trait Service { type Item; const MAX_LEN: u8; }\nconst KEY: u8 = 1;\nconst fn key() {}",
        ),
        (
            "c.rs",
            "#[cfg(test)]\nmod tests { struct A; }\nstruct A;\nconst _: () = ();\nconst _: () = ();\nconst fn key() {}",
        ),
        ("d.rs", "// struct A;\nconst TEXT: &str = \"struct A;\";\nfn f(a: impl Fn()) -> u8 { 1 }"),
    ]);
    assert_eq!(faults(&definitions, &[]), Vec::<String>::new());
}

#[test]
fn an_entry_that_is_no_longer_needed_is_found() {
    let definitions = example(&[("a.rs", "struct Error;")]);
    let found = faults(&definitions, &[("Error", "each crate has one")]);
    assert_eq!(found, ["Error has one definition: take it off"]);
}
