//! The rooms of `docs/architecture.md`, as cargo sees them.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Which crates of this workspace each crate may depend on.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("rns-formats", &[]),
    ("rns-cache", &["rns-formats"]),
    ("rns-client", &["rns-formats"]),
    ("rns-file-io", &["rns-cache"]),
    ("rns-verify", &["rns-cache", "rns-formats"]),
    ("rns-nix-store", &["rns-cache", "rns-file-io", "rns-formats", "rns-verify"]),
    // The server knows the questions to any cache, and no backend by name.
    ("rns-server", &["rns-cache", "rns-formats"]),
    ("rns-storage", &["rns-cache", "rns-file-io", "rns-formats", "rns-verify"]),
    // On a client: from the local store into caches of others.
    ("rns-push", &["rns-cache", "rns-client", "rns-formats", "rns-nix-store", "rns-storage"]),
    ("rns-doctor", &["rns-client", "rns-formats", "rns-verify"]),
    (
        "rust-nix-serve",
        &[
            "rns-cache",
            "rns-client",
            "rns-doctor",
            "rns-formats",
            "rns-nix-store",
            "rns-push",
            "rns-server",
            "rns-storage",
        ],
    ),
    ("rns-testing", &["rns-formats"]),
    ("rns-fuzz", &["rns-formats"]),
];

/// Packages that belong to one room only.
const ONLY_IN: [(&str, &[&str]); 8] = [
    ("rusqlite", &["rns-doctor", "rns-nix-store", "rns-push", "rns-storage", "rns-testing"]),
    ("zstd", &["rns-nix-store", "rns-push", "rns-verify", "rust-nix-serve"]),
    ("liblzma", &["rns-nix-store", "rns-verify", "rust-nix-serve"]),
    ("actix-web", &["rns-server"]),
    ("rustls", &["rns-client", "rns-doctor", "rns-server", "rns-storage"]),
    ("prometheus", &["rns-server"]),
    ("clap", &["rust-nix-serve"]),
    ("anyhow", &["rust-nix-serve"]),
];

/// The newest Rust that a dependency may ask for: that of the previous NixOS release.
const NEWEST_RUST: (u64, u64) = (1, 91);

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packages that a build for this machine needs. A build downloads no others, so cargo can say
/// nothing about those of other platforms without a network.
fn metadata() -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let version = cargo(&["-vV"]);
    let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let options = ["--format-version=1", "--offline", "--locked", "--filter-platform", platform];
    let arguments = [&["metadata", "--manifest-path", manifest], &options[..]].concat();
    serde_json::from_str(&cargo(&arguments)).unwrap()
}

/// The dependencies of the workspace's packages that go into the program, not those of tests.
fn dependencies(metadata: &Value) -> BTreeMap<String, Vec<String>> {
    let members = metadata["workspace_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .filter(|package| members.contains(&package["id"]))
        .map(|package| {
            let names = package["dependencies"].as_array().unwrap().iter();
            let normal = names.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            let names = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn arrows_between_crates_never_point_up() {
    let dependencies = dependencies(&metadata());
    let known: Vec<_> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let mut members: Vec<_> = dependencies.keys().map(String::as_str).collect();
    members.sort_unstable_by_key(|name| known.iter().position(|known| known == name));
    assert_eq!(members, known, "a new crate needs a place in the architecture");
    for (name, allowed) in MAY_USE {
        for dependency in &dependencies[name] {
            let inside = known.contains(&dependency.as_str());
            assert!(
                !inside || allowed.contains(&dependency.as_str()),
                "{name} must not use {dependency}"
            );
        }
    }
}

#[test]
fn packages_stay_in_their_room() {
    let dependencies = dependencies(&metadata());
    for (package, rooms) in ONLY_IN {
        for (name, uses) in &dependencies {
            let used = uses.iter().any(|used| used == package);
            assert!(!used || rooms.contains(&name.as_str()), "{name} must not use {package}");
        }
    }
}

#[test]
fn no_dependency_needs_a_rust_that_nixos_does_not_have() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let Some(version) = package["rust_version"].as_str() else { continue };
        let mut numbers = version.split('.').map(|number| number.parse::<u64>().unwrap());
        let wanted = (numbers.next().unwrap(), numbers.next().unwrap_or(0));
        assert!(wanted <= NEWEST_RUST, "{} needs Rust {version}", package["name"]);
    }
}

#[test]
fn xz_is_the_maintained_fork_under_its_old_name() {
    let table = include_str!("../../../Cargo.toml");
    assert!(table.contains(r#"xz2 = { package = "liblzma""#));
}
