//! Check C58: the commands that look into a cache without copying from it.

use rns_testing::{Client, LogFile, Nix, Server, Standard};
use serde_json::Value;

use crate::support::{PUBLIC_KEY, full, nixes, serve};

fn with_each_nix(check: impl Fn(&Nix, &Standard, &Server, &Client)) {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        check(&nix, &standard, &server, &client);
    }
}

#[test]
fn c58_path_info_shows_what_is_registered() {
    with_each_nix(|nix, standard, server, client| {
        let shown = client.nix_command([
            "path-info",
            "--json",
            "--store",
            server.url(),
            &full(&standard.itself),
        ]);
        let json: Value = serde_json::from_slice(&shown.success().stdout).unwrap();
        // A list of objects up to Nix 2.18, an object by path since then, by base name in newer ones.
        let info = match &json {
            Value::Array(infos) => &infos[0],
            Value::Object(by_path) => {
                let by_path = by_path.get("info").and_then(Value::as_object).unwrap_or(by_path);
                by_path.iter().find(|(path, _)| path.contains(standard.itself.as_str())).unwrap().1
            }
            other => panic!("{other}"),
        };
        let expected = standard.store.info(&standard.itself);
        assert_eq!(info["narSize"], expected.nar_size, "Nix {}: {json:#}", nix.version);
        let references = info["references"].as_array().unwrap();
        assert_eq!(references.len(), 2);
        assert!(
            references.iter().any(|path| path.as_str().unwrap().ends_with(standard.dep.as_str()))
        );
        assert!(info["signatures"].to_string().contains("test-1"), "{json:#}");
        let size = info.get("downloadSize").and_then(Value::as_u64);
        assert_eq!(size, Some(expected.nar_size));
    });
}

#[test]
fn c58_path_info_of_a_missing_path_says_that_it_is_not_there() {
    with_each_nix(|_, _, server, client| {
        let missing = "/nix/store/00000000000000000000000000000000-nothing";
        let said = client.nix_command(["path-info", "--store", server.url(), missing]).failure();
        assert!(
            said.stderr.contains("not valid") || said.stderr.contains("does not exist"),
            "{}",
            said.stderr
        );
    });
}

#[test]
fn c58_ls_and_cat_look_into_a_path() {
    with_each_nix(|_, standard, server, client| {
        let tree = full(&standard.tree);
        let listed = client
            .nix_command(["store", "ls", "-lR", "--store", server.url(), &tree])
            .success()
            .text();
        for name in ["./a", "./dir/lnk -> ../a", "./dir/run", "./eight", "./empty", "./zero"] {
            assert!(listed.contains(name), "{listed}");
        }
        assert!(
            listed.lines().any(|line| line.starts_with("-r-x") && line.ends_with("run")),
            "{listed}"
        );
        let file = format!("{tree}/dir/run");
        let printed =
            client.nix_command(["store", "cat", "--store", server.url(), &file]).success();
        assert_eq!(printed.stdout, b"#!/bin/sh\necho hi\n");
    });
}

#[test]
fn c58_verify_finds_contents_and_signatures_right() {
    with_each_nix(|_, standard, server, client| {
        for path in [&standard.tree, &standard.itself, &standard.blob, &standard.bytes] {
            client.nix_command(["store", "verify", "--store", server.url(), &full(path)]).success();
        }
    });
}

#[test]
fn c58_log_of_an_output_is_found_by_its_deriver() {
    with_each_nix(|_, standard, server, client| {
        let drv = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";
        standard.store.add_log(drv, LogFile::Bzip2, b"compiling\nlinking\n");
        let log =
            client.nix_command(["log", "--store", server.url(), &full(&standard.itself)]).success();
        assert_eq!(log.stdout, b"compiling\nlinking\n");
        client.nix_command(["log", "--store", server.url(), &full(&standard.executable)]).failure();
    });
}

#[test]
fn c58_ping_knows_the_cache() {
    with_each_nix(|nix, _, server, client| {
        let verb = if nix.version == "2.8" { "ping" } else { "info" };
        client.nix_command(["store", verb, "--store", server.url()]).success();
    });
}
