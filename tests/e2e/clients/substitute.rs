//! Check C57: real Nix substitutes paths that a trusted key has signed, and nothing else.

use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rns_testing::{Client, Entry, FixtureStore, Nix, Server, Standard, Tree};

use crate::support::{OTHER_PUBLIC_KEY, PUBLIC_KEY, full, nixes, serve, server};

/// A client that substitutes from the server and trusts one key.
fn client(nix: &Nix, server: &Server, public_key: &str) -> Client {
    nix.client().substituting_from(server.url(), public_key)
}

/// Whether two trees on disk are the same, names, contents, targets and executable bits.
fn same_tree(store: &FixtureStore, client: &Client, path: &rns_formats::StorePath) -> bool {
    client.dump(&client.real_path(path.as_str())) == store.nar(path)
}

#[test]
fn c57_signed_paths_are_substituted() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let client = client(&nix, &server, PUBLIC_KEY);
        let paths = [
            &standard.itself,
            &standard.executable,
            &standard.link,
            &standard.blob,
            &standard.bytes,
        ];
        client.realise(paths.map(full)).success();
        for path in paths {
            assert!(same_tree(&standard.store, &client, path), "{path} with Nix {}", nix.version);
        }
        // Its references came with it.
        assert!(same_tree(&standard.store, &client, &standard.dep));
        client.run("nix-store", ["--verify", "--check-contents"]).success();
    }
}

#[test]
fn signatures_of_other_algorithms_and_provenance_disturb_no_client() {
    let mut store = FixtureStore::new();
    store.execute("alter table ValidPaths add column provenance text", []);
    // As long as a signature of ML-DSA-65.
    let other = format!("ml-dsa-1:{}", BASE64_STANDARD.encode([7; 3309]));
    let path = store.insert(Entry::new("x", Tree::file("x")).signature(other));
    store.execute("update ValidPaths set provenance = ?", [r#"{"type":"build"}"#]);
    let server = serve(&store);
    for nix in nixes() {
        let client = client(&nix, &server, PUBLIC_KEY);
        client.realise([full(&path)]).success();
        assert!(same_tree(&store, &client, &path), "Nix {}", nix.version);
    }
}

#[test]
fn c57_a_wrong_key_is_refused() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let client = client(&nix, &server, OTHER_PUBLIC_KEY);
        let refused = client.realise([full(&standard.itself)]).failure();
        assert!(!client.real_path(standard.itself.as_str()).exists());
        let said = refused.stderr.to_lowercase();
        assert!(
            said.contains("signature") || said.contains("signed"),
            "Nix {}: {said}",
            nix.version
        );
    }
}

#[test]
fn c57_unsigned_paths_are_refused_and_content_addressed_ones_need_no_signature() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = server().store(&standard.store).start();
        let client = client(&nix, &server, PUBLIC_KEY);
        client.realise([full(&standard.executable)]).failure();
        client.realise([full(&standard.top)]).success();
        assert!(same_tree(&standard.store, &client, &standard.top));
    }
}

#[test]
fn c57_a_second_key_is_enough() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let client =
            client(&nix, &server, &format!("{OTHER_PUBLIC_KEY} other-1:{}", &PUBLIC_KEY[7..]));
        // The right bytes under another name are no signature by that key.
        client.realise([full(&standard.executable)]).failure();
        let client = client_trusting_both(&nix, &server);
        client.realise([full(&standard.executable)]).success();
    }
}

fn client_trusting_both(nix: &Nix, server: &Server) -> Client {
    client(nix, server, &format!("{PUBLIC_KEY} elsewhere-1:{}", &OTHER_PUBLIC_KEY[7..]))
}

#[test]
fn c57_a_path_that_is_not_there_leaves_the_next_cache_to_answer() {
    for nix in nixes() {
        let (first, second) = (Standard::new(), Standard::new());
        first.store.forget(&first.executable);
        let (first_server, second_server) = (serve(&first.store), serve(&second.store));
        let urls = format!("{} {}", first_server.url(), second_server.url());
        let client = nix.client().substituting_from(&urls, PUBLIC_KEY);
        client.realise([full(&second.executable)]).success();
        assert!(same_tree(&second.store, &client, &second.executable));
    }
}

#[test]
fn a_key_made_by_the_program_works_with_real_nix_and_the_other_way_round() {
    for nix in nixes() {
        let standard = Standard::new();
        let program = env!("CARGO_BIN_EXE_rust-nix-serve");
        let ours = rns_testing::run(
            Command::new(program).args(["key", "generate", "ours-1"]),
            std::time::Duration::from_secs(20),
        );
        let ours = ours.success().text();
        let theirs = nix
            .client()
            .nix_command(["key", "generate-secret", "--key-name", "theirs-1"])
            .success()
            .text();
        let server = server().store(&standard.store).keys([ours.trim(), theirs.trim()]).start();
        let public_keys = server.get("/pubkey").text().to_owned();
        assert_eq!(public_keys.lines().count(), 2, "{public_keys}");
        for public_key in public_keys.lines() {
            client(&nix, &server, public_key).realise([full(&standard.executable)]).success();
        }
    }
}
