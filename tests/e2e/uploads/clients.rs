//! Real Nix pushes, and others read the pushed paths.

use std::fs;

use rns_formats::StorePath;
use rns_testing::{Nix, Standard};

use super::Pushable;
use crate::support::{PUBLIC_KEY, full, narinfo_of, nixes};

pub(super) fn copy(nix: &Nix, standard: &Standard, to: &str, paths: &[&StorePath]) {
    let client = nix.client().with_root(standard.store.root());
    let arguments = ["copy", "--no-check-sigs", "--to", to].map(str::to_owned);
    client.nix_command(arguments.into_iter().chain(paths.iter().map(|path| full(path)))).success();
}

/// A fresh client takes the paths from a cache, and finds them whole and signed.
fn assert_read(nix: &Nix, standard: &Standard, from: &str, paths: &[&StorePath]) {
    let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
    let names: Vec<String> = paths.iter().map(|path| full(path)).collect();
    let arguments = ["copy", "--from", from].map(str::to_owned);
    client.nix_command(arguments.into_iter().chain(names.clone())).success();
    let arguments = ["store", "verify", "--recursive", "--sigs-needed", "1"].map(str::to_owned);
    client.nix_command(arguments.into_iter().chain(names)).success();
    for path in paths {
        assert!(client.dump(&client.real_path(path.as_str())) == standard.store.nar(path));
    }
}

#[test]
fn c63_what_nix_pushes_can_be_read_by_every_nix_here_and_in_the_directory() {
    for pusher in nixes() {
        let all = "write-nar-listing=true";
        for parameters in ["compression=xz", "compression=zstd", "compression=bzip2"] {
            let (standard, cache) = (Standard::new(), Pushable::new());
            let paths = [&standard.itself, &standard.top, &standard.blob, &standard.special];
            copy(&pusher, &standard, &format!("{}?{all}&{parameters}", cache.url()), &paths);
            let directory = format!("file://{}", cache.directory.display());
            for reader in nixes() {
                assert_read(&reader, &standard, cache.server.url(), &paths);
                assert_read(&reader, &standard, &directory, &paths);
            }
            let listing = cache.server.get(&format!("/{}.ls", standard.itself.hash_part()));
            assert_eq!(listing.status(), 200, "{parameters}");
        }
    }
}

#[test]
fn what_is_there_is_not_pushed_again() {
    for nix in nixes() {
        let (standard, cache) = (Standard::new(), Pushable::new());
        copy(&nix, &standard, &cache.url(), &[&standard.dep]);
        let before = fs::metadata(narinfo_file(&cache, &standard.dep)).unwrap().modified().unwrap();
        // A fresh client, without a memory of present paths.
        copy(&nix, &standard, &cache.url(), &[&standard.top]);
        let after = fs::metadata(narinfo_file(&cache, &standard.dep)).unwrap().modified().unwrap();
        assert_eq!(before, after);
        assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
        // The same from the beginning, by a client that believes nothing is there.
        let url = format!("{}?compression=none", cache.url());
        copy(&nix, &standard, &url, &[&standard.top, &standard.dep]);
    }
}

fn narinfo_file(cache: &Pushable, path: &StorePath) -> std::path::PathBuf {
    cache.directory.join(narinfo_of(path).trim_start_matches('/'))
}

#[test]
fn signatures_of_the_client_are_kept_beside_that_of_the_cache() {
    for nix in nixes() {
        let (standard, cache) = (Standard::new(), Pushable::new());
        let client = nix.client().with_root(standard.store.root());
        let key = client.scratch().join("client-key");
        let key = key.to_str().unwrap();
        let public = client.scratch().join("client-key.pub");
        let arguments = ["--generate-binary-cache-key", "client-1", key, public.to_str().unwrap()];
        client.run("nix-store", arguments).success();
        let url = format!("{}?secret-key={key}", cache.url());
        copy(&nix, &standard, &url, &[&standard.executable]);
        let narinfo = cache.server.get(&narinfo_of(&standard.executable));
        let mut names: Vec<_> = crate::support::fields(&narinfo, "Sig")
            .iter()
            .map(|signature| signature.split_once(':').unwrap().0.to_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["client-1", "test-1"]);
        let trusted = fs::read_to_string(public).unwrap();
        let reader = nix.client().option("trusted-public-keys", trusted.trim());
        let path = full(&standard.executable);
        reader.nix_command(["copy", "--from", cache.server.url(), &path]).success();
    }
}
