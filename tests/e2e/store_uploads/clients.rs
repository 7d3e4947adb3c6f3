//! Real Nix pushes into the store of another machine, and others read from there.

use rns_testing::Standard;

use super::Machine;
use crate::support::{PUBLIC_KEY, assert_refusal, full, narinfo_of, nixes};

#[test]
fn c63_what_nix_pushes_is_in_the_store_and_can_be_read_by_every_nix_here() {
    for (daemon, pusher) in nixes().flat_map(|daemon| nixes().map(move |nix| (daemon.clone(), nix)))
    {
        let (standard, machine) = (Standard::new(), Machine::new(&daemon));
        let server = machine.server("", "");
        let paths = [&standard.itself, &standard.top, &standard.blob, &standard.special];
        let names: Vec<_> = paths.iter().map(|path| full(path)).collect();
        let client = pusher.client().with_root(standard.store.root());
        for parameters in ["compression=zstd&write-nar-listing=true", "compression=none"] {
            let to = format!("{}?{parameters}", machine.url(&server));
            let copy = ["copy", "--no-check-sigs", "--to", &to].map(str::to_owned);
            client.nix_command(copy.into_iter().chain(names.clone())).success();
        }
        let verify = ["store", "verify", "--recursive", "--no-trust"].map(str::to_owned);
        machine.client.nix_command(verify.into_iter().chain(names.clone())).success();
        for path in paths {
            let real = machine.client.real_path(path.as_str());
            assert!(machine.client.dump(&real) == standard.store.nar(path), "{path}");
            assert!(machine.roots().join(path.as_str()).is_symlink(), "{path}");
        }
        for reader in nixes() {
            let reader = reader.client().option("trusted-public-keys", PUBLIC_KEY);
            let copy = ["copy", "--from", server.url()].map(str::to_owned);
            reader.nix_command(copy.into_iter().chain(names.clone())).success();
            let verify =
                ["store", "verify", "--recursive", "--sigs-needed", "1"].map(str::to_owned);
            reader.nix_command(verify.into_iter().chain(names.clone())).success();
        }
    }
}

#[test]
fn pushes_go_to_the_push_address_and_what_is_there_is_not_pushed_again() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        let target = narinfo_of(&standard.dep);
        let refused = machine.put(&server, &target, "x");
        assert_refusal(&refused, 405);
        assert!(refused.text().contains("/push"), "{}", refused.text());
        // It is in the store, and has no root yet: a path that a pusher is told of stays.
        let local = machine.client.scratch().join("local");
        std::fs::write(&local, "of this machine\n").unwrap();
        let added = machine.client.run("nix-store", ["--add", local.to_str().unwrap()]).success();
        let added = added.text().trim().rsplit('/').next().unwrap().to_owned();
        let path = rns_formats::StorePath::parse(&added).unwrap();
        assert_eq!(server.get(&format!("/push{}", narinfo_of(&path))).status(), 200);
        let promised = machine.root_directory().join("promised").join(&added);
        assert!(promised.is_symlink());
        machine.collect_garbage();
        assert!(machine.is_valid(&path));
        assert_eq!(server.get(&format!("/push{}", narinfo_of(&standard.dep))).status(), 404);
    }
}
