//! Check C55: `nix copy --from`, and that real Nix sends the requests that it has always sent.

use rns_testing::{Proxy, Recorded, Standard};

use crate::support::{PUBLIC_KEY, full, nixes, serve};

/// The requests of a real Nix 2.8 when it substituted `top`.
const KNOWN_REQUESTS: &str = include_str!("../../data/substitute-nix-2.8.log");

/// Method and kind of name: which NAR it is depends on the cache.
fn kind(line: &str) -> String {
    let (method, target) = line.split_once(' ').unwrap();
    let target = target.split(' ').next().unwrap();
    let target = if target.starts_with("/nar/") { "/nar/…" } else { target };
    format!("{method} {target}")
}

fn kinds(requests: &[Recorded]) -> Vec<String> {
    requests.iter().map(|request| kind(&request.line)).collect()
}

#[test]
fn c55_nix_copy_takes_a_closure() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let proxy = Proxy::recording(server.address());
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        client.nix_command(["copy", "--from", &proxy.url(), &full(&standard.itself)]).success();
        for path in [&standard.itself, &standard.dep] {
            assert!(client.dump(&client.real_path(path.as_str())) == standard.store.nar(path));
        }
        let requests = kinds(&proxy.requests());
        assert_eq!(
            requests.iter().filter(|kind| *kind == "GET /nar/…").count(),
            2,
            "{requests:#?}"
        );
        let narinfo = format!("/{}.narinfo", standard.itself.hash_part());
        // It asks for the presence of the path before its contents.
        let head = requests.iter().position(|kind| *kind == format!("HEAD {narinfo}"));
        let get = requests.iter().position(|kind| *kind == format!("GET {narinfo}"));
        assert!(head < get && get.is_some(), "{requests:#?}");
    }
}

#[test]
fn c55_substitution_asks_what_it_always_asked() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let proxy = Proxy::recording(server.address());
        let client = nix.client().substituting_from(&proxy.url(), PUBLIC_KEY);
        client.realise([full(&standard.top)]).success();
        let known = KNOWN_REQUESTS
            .lines()
            .filter(|line| line.starts_with("GET") || line.starts_with("HEAD"));
        let known: Vec<_> = known.map(kind).collect();
        assert_eq!(kinds(&proxy.requests()), known, "Nix {}", nix.version);
        for request in proxy.requests() {
            assert!(
                request.header("user-agent").unwrap().contains(&format!("Nix/{}", nix.version))
            );
            assert_eq!(request.header("accept"), Some("*/*"));
            assert_eq!(request.header("accept-encoding").is_some(), nix.version != "2.8");
        }
    }
}

#[test]
fn c55_what_is_there_is_not_downloaded_again() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        client.nix_command(["copy", "--from", server.url(), &full(&standard.top)]).success();
        let proxy = Proxy::recording(server.address());
        client.nix_command(["copy", "--from", &proxy.url(), &full(&standard.top)]).success();
        let requests = kinds(&proxy.requests());
        assert!(!requests.contains(&"GET /nar/…".to_owned()), "{requests:#?}");
    }
}

#[test]
fn c55_a_cache_that_was_copied_from_this_one_can_be_signed_anew() {
    // Nix up to 2.34 aborts when a narinfo that it publishes again has no FileHash.
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        let copy = format!("file://{}", client.scratch().join("copy").display());
        client
            .nix_command(["copy", "--from", server.url(), "--to", &copy, &full(&standard.itself)])
            .success();
        let key = client.scratch().write("key", crate::support::SECRET_KEY);
        client
            .nix_command([
                "store",
                "sign",
                "--store",
                &copy,
                "--key-file",
                key.to_str().unwrap(),
                &full(&standard.itself),
            ])
            .success();
    }
}
