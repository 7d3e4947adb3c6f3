//! Real Nix with a netrc file.

use rns_testing::Proxy;

use crate::support::private::client_with_token;
use crate::{
    support::private::{Private, UNKNOWN, create, get_with, token_command},
    support::{PUBLIC_KEY, eventually, full, nixes},
};

#[test]
fn a_private_cache_is_read_with_a_netrc_file() {
    for nix in nixes() {
        let private = Private::new();
        let client = client_with_token(&nix, private.server.url(), &private.token);
        let paths = [&private.standard.itself, &private.standard.blob];
        client.realise(paths.map(full)).success();
        for path in paths {
            let dump = client.dump(&client.real_path(path.as_str()));
            assert!(dump == private.standard.store.nar(path), "{path} with Nix {}", nix.version);
        }
        let executable = full(&private.standard.executable);
        let url = private.server.url();
        client
            .nix_command(["copy", "--no-check-sigs", "--from", url, executable.as_str()])
            .success();
        assert!(!private.server.stderr().contains("wrong credential"));
    }
}

#[test]
fn the_token_can_be_in_the_url() {
    for nix in nixes() {
        let private = Private::new();
        let url = private.server.url().replace("://", &format!("://reader:{}@", private.token));
        let client = nix.client().substituting_from(&url, PUBLIC_KEY);
        client.realise([full(&private.standard.executable)]).success();
    }
}

#[test]
fn a_wrong_token_and_none_at_all_are_errors_and_not_missing_paths() {
    for nix in nixes() {
        let private = Private::new();
        let path = full(&private.standard.executable);
        for password in [Some(UNKNOWN), None] {
            let url = private.server.url();
            let client = match password {
                Some(password) => client_with_token(&nix, url, password),
                None => nix.client().substituting_from(url, PUBLIC_KEY),
            };
            for refused in [
                client.realise([&path]).failure(),
                client.nix_command(["copy", "--from", url, &path]).failure(),
            ] {
                let said = refused.stderr;
                let explained =
                    said.contains("401") || said.contains("does not appear to be a binary cache");
                assert!(explained, "Nix {}: {said}", nix.version);
            }
        }
    }
}

#[test]
fn a_token_that_does_not_allow_reading_is_an_error() {
    for nix in nixes() {
        let private = Private::new();
        let pusher = create(&private.file, "pusher", &["--allow", "push"]);
        eventually(|| get_with(&private.server, &pusher, "/nix-cache-info").status() == 403);
        let client = client_with_token(&nix, private.server.url(), &pusher);
        let refused = client.realise([full(&private.standard.executable)]).failure();
        let said = refused.stderr;
        let explained =
            said.contains("403") || said.contains("does not appear to be a binary cache");
        assert!(explained, "Nix {}: {said}", nix.version);
    }
}

#[test]
fn a_client_with_a_revoked_token_gets_nothing_more() {
    for nix in nixes() {
        let private = Private::new();
        let client = client_with_token(&nix, private.server.url(), &private.token);
        client.realise([full(&private.standard.executable)]).success();
        token_command("revoke", &private.file, &["reader"]);
        eventually(|| private.get("/nix-cache-info").status() == 401);
        client.realise([full(&private.standard.blob)]).failure();
        assert!(!client.real_path(private.standard.blob.as_str()).exists());
    }
}

/// The behaviour in the documentation: these versions take a refused narinfo for a missing path.
#[test]
fn older_clients_remember_a_refusal_until_they_are_told_to_ask_again() {
    for nix in nixes() {
        let private = Private::new();
        let proxy = Proxy::recording(private.server.address());
        let client = client_with_token(&nix, &proxy.url(), &private.token);
        // Now the client knows the cache, and asks for its nix-cache-info no more.
        client.realise([full(&private.standard.executable)]).success();
        let before = std::fs::read_to_string(&private.file).unwrap();
        token_command("revoke", &private.file, &["reader"]);
        eventually(|| private.get("/nix-cache-info").status() == 401);
        client.realise([full(&private.standard.dep)]).failure();
        std::fs::write(&private.file, before).unwrap();
        eventually(|| private.get("/nix-cache-info").status() == 200);

        let asked = proxy.requests().len();
        client.realise([full(&private.standard.dep)]).failure();
        assert_eq!(proxy.requests().len(), asked, "Nix {} does not ask again", nix.version);
        let client = client.option("narinfo-cache-negative-ttl", "0");
        client.realise([full(&private.standard.dep)]).success();
    }
}
