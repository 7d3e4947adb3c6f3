//! A store that a real Nix is working on while it is served.

use crate::support::{PUBLIC_KEY, assert_refusal, eventually, nixes, server};

#[test]
fn a_path_that_real_nix_registers_is_served_to_the_next_request() {
    for nix in nixes() {
        let builder = nix.client();
        let first = builder.scratch().write("first.txt", "first\n");
        builder.run("nix-store", ["--add", first.to_str().unwrap()]).success();
        let server = server().store_root(builder.root()).store_key("daemon_socket", "none").start();
        assert_refusal(&server.get("/00000000000000000000000000000000.narinfo"), 404);

        let second = builder.scratch().write("second.txt", "second\n");
        let added = builder.run("nix-store", ["--add", second.to_str().unwrap()]).success();
        let path = added.text().trim().to_owned();
        let narinfo = format!("/{}.narinfo", &path["/nix/store/".len()..][..32]);
        server.get(&narinfo).ok();
        let client = nix.client().substituting_from(server.url(), PUBLIC_KEY);
        client.realise([&path]).success();

        // And one that it deletes is not.
        builder.run("nix-store", ["--delete", &path]).success();
        eventually(|| server.get(&narinfo).status() == 404);
    }
}

#[test]
fn a_missing_store_is_an_outage_until_real_nix_makes_it() {
    for nix in nixes() {
        let builder = nix.client();
        let server = server().store_root(builder.root()).store_key("daemon_socket", "none").start();
        assert_refusal(&server.get("/00000000000000000000000000000000.narinfo"), 503);
        assert_refusal(&server.get("/readyz"), 503);
        let file = builder.scratch().write("file.txt", "file\n");
        let added = builder.run("nix-store", ["--add", file.to_str().unwrap()]).success();
        let narinfo = format!("/{}.narinfo", &added.text()["/nix/store/".len()..][..32]);
        server.get(&narinfo).ok();
        eventually(|| server.get("/readyz").status() == 200);
    }
}
