//! No files of a crate import each other in a circle, and none is there for tests alone.
//!
//! An import is a name in the code of one file that another file defines: through `use`, or as a path.
//! A re-export leads to the file that defines the name. The code of tests does not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::source_modules::Modules;

/// The crates that go into the program, by the names that `use` knows.
const CRATES: [(&str, &str); 11] = [
    ("rns_formats", "formats"),
    ("rns_cache", "cache"),
    ("rns_client", "client"),
    ("rns_file_io", "file-io"),
    ("rns_nix_store", "nix-store"),
    ("rns_storage", "storage"),
    ("rns_verify", "verify"),
    ("rns_push", "push"),
    ("rns_doctor", "doctor"),
    ("rns_server", "server"),
    ("rust_nix_serve", "cli"),
];

/// Folders of crates that do not go into the program.
const LEFT_OUT: [&str; 1] = ["testing"];

/// Crates that still have circles, with the most files that may be in these. The numbers only fall,
/// and a crate without circles leaves the list.
const NOT_YET_UNTIED: &[(&str, usize)] = &[];

/// Files of the library that only tests use, each with the reason.
const ONLY_TESTED: &[(&str, &str)] = &[
    ("cache/src/conformance/mod.rs", "the tests of each backend call it"),
    ("cache/src/conformance/roots.rs", "the tests of each backend with roots call it"),
    (
        "formats/src/nar/write.rs",
        "fuzz targets and benchmarks write the trees that the reader and the layouts are checked with",
    ),
];

type Edges = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

fn workspace() -> Modules {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = CRATES.map(|(name, folder)| (name, crates.join(folder).join("src")));
    Modules::read(&sources)
}

/// Which files each file imports from.
fn imports(modules: &Modules) -> Edges {
    let mut edges = Edges::new();
    for (names, module) in &modules.0 {
        let used = edges.entry(module.file.clone()).or_default();
        let called = |name: &str| module.paths.iter().any(|path| path[0] == name);
        // A name that is only re-exported is not used here; a trait may be used without being named.
        let imported = module.imports.iter();
        let imported = imported
            .filter(|(name, import)| !import.is_public && !called(name))
            .map(|(_, import)| import.target.clone());
        let in_code = module.paths.iter().filter_map(|path| modules.absolute(names, path));
        let globs = module.globs.iter().cloned();
        for target in in_code.chain(imported).chain(globs) {
            used.extend(modules.file_of(&target).map(Path::to_owned));
        }
        used.remove(&module.file);
    }
    edges
}

/// The files that are in a circle: those that lead back to themselves.
fn in_circles(edges: &Edges) -> Vec<&PathBuf> {
    let reaches_itself = |start: &&PathBuf| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&PathBuf> = edges[*start].iter().collect();
        while let Some(file) = open.pop() {
            if file == *start {
                return true;
            }
            if seen.insert(file) {
                open.extend(edges.get(file).into_iter().flatten());
            }
        }
        false
    };
    edges.keys().filter(reaches_itself).collect()
}

fn shown(file: &Path) -> String {
    let text = file.display().to_string();
    text.rsplit_once("/../").map_or_else(|| text.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn files_of_a_crate_do_not_import_each_other_in_a_circle() {
    let edges = imports(&workspace());
    let circles = in_circles(&edges);
    for (name, folder) in CRATES {
        let inside = |file: &Path| shown(file).starts_with(&format!("{folder}/"));
        let tied: Vec<&&PathBuf> = circles.iter().filter(|file| inside(file)).collect();
        let listed = NOT_YET_UNTIED.iter().find(|(listed, _)| *listed == name);
        let allowed = listed.map_or(0, |(_, count)| *count);
        let details: Vec<String> = tied
            .iter()
            .map(|file| {
                let uses = edges[**file].iter().filter(|used| circles.contains(used));
                let uses: Vec<String> = uses.map(|used| shown(used)).collect();
                format!("{} imports {}", shown(file), uses.join(", "))
            })
            .collect();
        let details = details.join("\n");
        assert!(tied.len() <= allowed, "{name}: {} files in circles\n{details}", tied.len());
        assert!(listed.is_none() || !tied.is_empty(), "{name} has no circle: take it off the list");
    }
}

#[test]
fn every_crate_of_the_program_is_looked_at() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for entry in fs::read_dir(&crates).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        let is_known = CRATES.iter().any(|(_, known)| *known == folder);
        assert!(is_known || LEFT_OUT.contains(&folder.as_str()), "{folder} is in neither list");
    }
    for (name, folder) in CRATES {
        let manifest = fs::read_to_string(crates.join(folder).join("Cargo.toml")).unwrap();
        let used = manifest.split("[dev-dependencies]").next().unwrap();
        for left_out in LEFT_OUT {
            let uses = used.contains(&format!("\nrns-{left_out}"));
            assert!(
                !uses,
                "{name} uses rns-{left_out}: move it to the list of the program's crates"
            );
        }
    }
}

/// The files that define something and that no other production code uses.
fn unused(modules: &Modules) -> BTreeSet<&Path> {
    let edges = imports(modules);
    let used: BTreeSet<&PathBuf> = edges.values().flatten().collect();
    let words: BTreeSet<(&Path, &String)> = modules
        .0
        .values()
        .flat_map(|module| module.words.iter().map(|word| (module.file.as_path(), word)))
        .collect();
    let mut unused = BTreeSet::new();
    for (names, module) in &modules.0 {
        let is_facade = module.items.is_empty() && !module.extends_others;
        if names.len() == 1 || is_facade || used.contains(&module.file) {
            continue;
        }
        // Methods of a type that another file defines are called by their names.
        let is_called = module.extends_others
            && words
                .iter()
                .any(|(file, word)| *file != module.file && module.items.contains(*word));
        if !is_called {
            unused.insert(module.file.as_path());
        }
    }
    unused
}

#[test]
fn every_production_file_is_used_outside_of_tests() {
    let modules = workspace();
    let mut unused: Vec<String> = unused(&modules).into_iter().map(shown).collect();
    unused.retain(|file| !ONLY_TESTED.iter().any(|(listed, _)| listed == file));
    assert_eq!(unused, Vec::<String>::new(), "files that nothing but tests uses");
}

/// A crate with these files.
fn example(files: &[(&str, &str)]) -> (tempfile::TempDir, Modules) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let modules = Modules::read(&[("example", directory.path().to_owned())]);
    (directory, modules)
}

fn names(directory: &tempfile::TempDir, files: Vec<&Path>) -> Vec<String> {
    let below = files.into_iter().map(|file| file.strip_prefix(directory.path()).unwrap());
    below.map(|file| file.display().to_string()).collect()
}

#[test]
fn a_circle_is_found_through_re_exports_and_paths_in_the_code() {
    let (directory, modules) = example(&[
        ("main.rs", "mod a;\nmod b;\nmod c;\nfn main() { a::run(); }"),
        (
            "a/mod.rs",
            "mod inner;\npub(crate) use self::inner::{Thing as Part};\npub fn run() { crate::b::go(); }",
        ),
        ("a/inner.rs", "pub(crate) struct Thing(crate::c::Leaf);"),
        ("b.rs", "use crate::{a::Part, c};\npub fn go() { let _: Part = c::leaf(); }"),
        (
            "c.rs",
            "pub struct Leaf;\n#[cfg(test)]\nmod tests { use crate::b::go; }\n// use crate::b::go;\npub fn leaf() {}",
        ),
    ]);
    let edges = imports(&modules);
    assert_eq!(in_circles(&edges), Vec::<&PathBuf>::new(), "{edges:?}");
    let (other, modules) = example(&[
        ("main.rs", "mod a;\nmod b;\nmod c;\nfn main() { a::run(); }"),
        ("a/mod.rs", "mod inner;\npub(crate) use self::inner::Thing;\npub fn run() {}"),
        ("a/inner.rs", "use super::super::b;\npub(crate) struct Thing(b::Leaf);"),
        (
            "b.rs",
            "use crate::{a::{Thing as Part}, c::Leaf};\npub struct Own(Part);\npub use crate::c::Leaf;",
        ),
        ("c.rs", "pub struct Leaf(crate::b::Own);"),
    ]);
    let edges = imports(&modules);
    let circles = in_circles(&edges).into_iter().map(PathBuf::as_path).collect();
    assert_eq!(names(&other, circles), ["a/inner.rs", "b.rs", "c.rs"]);
    drop(directory);
}

#[test]
fn a_file_that_only_tests_use_is_found() {
    let (directory, modules) = example(&[
        ("main.rs", "mod a;\nmod methods;\nmod tested;\nfn main() { a::A.call(); }"),
        ("a.rs", "pub struct A;\n#[cfg(test)]\nuse crate::tested::helper;"),
        ("methods.rs", "use crate::a::A;\nimpl A { pub fn call(&self) {} }"),
        ("tested.rs", "pub fn helper() {}"),
    ]);
    let found = unused(&modules).into_iter().collect();
    assert_eq!(names(&directory, found), ["tested.rs"]);
}
