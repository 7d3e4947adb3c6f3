//! Stores in other places, filled by real Nix.

use std::path::Path;

use rns_testing::{Client, Server};

use crate::support::{PUBLIC_KEY, SECRET_KEY, field, nixes, server};

/// Two derivations, the second using the first, each saying something while it is built.
const EXPRESSION: &str = r#"
let
  make = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "PATH=/usr/bin:/bin; ${script}; :" ];
  };
  lib = make "lib-1.0" "echo building the library; mkdir $out; echo lib > $out/lib; ln -s lib $out/link";
in
  make "app-1.0" "echo building the program; mkdir -p $out/bin; echo 'cat ${lib}/lib' > $out/bin/app; chmod +x $out/bin/app"
"#;

/// Builds with real Nix and serves the result.
struct Built {
    server: Server,
    client: Client,
    /// Full path of the last build.
    output: String,
}

impl Built {
    fn with(nix: &rns_testing::Nix) -> Self {
        let client = nix.client().with_own_store_dir();
        let file = client.scratch().write("default.nix", EXPRESSION);
        let built = client.run("nix-build", ["--no-out-link", file.to_str().unwrap()]).success();
        let own = |path: &str| client.root().join(path).to_str().unwrap().to_owned();
        let server = server()
            .store_key("dir", &own("store"))
            .store_key("real_dir", &own("store"))
            .store_key("database", &own("state/db/db.sqlite"))
            .store_key("log_dir", &own("log/drvs"))
            .store_key("daemon_socket", "none")
            .keys([SECRET_KEY])
            .start();
        Self { server, output: built.text().trim().to_owned(), client }
    }

    fn narinfo(&self, path: &str) -> rns_testing::http::Response {
        let base = Path::new(path).file_name().unwrap().to_str().unwrap();
        self.server.get(&format!("/{}.narinfo", &base[..32]))
    }
}

#[test]
fn what_real_nix_built_in_another_store_directory_is_substituted_there() {
    for nix in nixes() {
        let built = Built::with(&nix);
        let store_dir = built.client.root().join("store");
        let client = nix
            .client()
            .substituting_from(built.server.url(), PUBLIC_KEY)
            .env("NIX_STORE_DIR", store_dir.to_str().unwrap());
        client.realise([&built.output]).success();
        let (here, there) =
            (built.client.real_path(&built.output), client.real_path(&built.output));
        assert!(there.starts_with(client.root()), "{}", there.display());
        assert!(built.client.dump(&here) == client.dump(&there));
        // The one that it uses came, too, and neither is content-addressed.
        let narinfo = built.narinfo(&built.output);
        assert!(field(&narinfo, "References").unwrap().contains("-lib-1.0"), "{}", narinfo.text());
        assert_eq!(field(&narinfo, "CA"), None);
        client.run("nix-store", ["--verify", "--check-contents"]).success();
    }
}

#[test]
fn a_client_with_another_store_directory_is_told_so() {
    for nix in nixes() {
        let built = Built::with(&nix);
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        let path = "/nix/store/00000000000000000000000000000000-x";
        let said = client.nix_command(["path-info", "--store", built.server.url(), path]).failure();
        assert!(said.stderr.contains("prefix"), "{}", said.stderr);
    }
}

#[test]
fn c58_logs_of_real_builds_are_served() {
    for nix in nixes() {
        let built = Built::with(&nix);
        let narinfo = built.narinfo(&built.output);
        let deriver = field(&narinfo, "Deriver").unwrap();
        assert!(deriver.ends_with("-app-1.0.drv"), "{deriver}");
        assert_eq!(built.server.get(&format!("/log/{deriver}")).ok(), b"building the program\n");
        let client =
            nix.client().env("NIX_STORE_DIR", built.client.root().join("store").to_str().unwrap());
        let derivation = built.client.root().join("store").join(deriver);
        for of in [&*built.output, derivation.to_str().unwrap()] {
            let log = client.nix_command(["log", "--store", built.server.url(), of]).success();
            assert_eq!(log.stdout, b"building the program\n", "{of} with Nix {}", nix.version);
        }
    }
}

#[test]
fn a_chroot_store_filled_by_real_nix_is_served_under_its_logical_name() {
    for nix in nixes() {
        let client = nix.client();
        let file = client.scratch().write("added.txt", "added by Nix\n");
        let added = client.run("nix-store", ["--add", file.to_str().unwrap()]).success();
        let path = added.text().trim().to_owned();
        assert!(path.starts_with("/nix/store/"), "{path}");
        let server = server().store_root(client.root()).store_key("daemon_socket", "none").start();
        let other = nix.client().substituting_from(server.url(), PUBLIC_KEY);
        other.realise([&path]).success();
        assert_eq!(std::fs::read(other.real_path(&path)).unwrap(), b"added by Nix\n");
    }
}
