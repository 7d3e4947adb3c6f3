//! Real Nix takes compressed NARs.

use rns_testing::{Proxy, Scratch, Standard};

use crate::{
    support::compression::{compressing, large},
    support::{PUBLIC_KEY, SECRET_KEY, full, nixes},
};

#[test]
fn real_nix_substitutes_compressed_nars() {
    for nix in nixes() {
        for compression in ["zstd", "xz"] {
            let (mut standard, scratch) = (Standard::new(), Scratch::new());
            let large = large(&mut standard.store);
            let server = compressing(&standard.store, &scratch.join("nars"), compression).start();
            let paths = [
                &standard.itself,
                &standard.blob,
                &standard.special,
                &standard.bytes,
                &standard.link,
                &large,
            ];
            // The second client finds everything compressed.
            for _ in 0..2 {
                let client = nix.client().substituting_from(server.url(), PUBLIC_KEY);
                client.realise(paths.map(full)).success();
                for path in paths {
                    assert!(
                        client.dump(&client.real_path(path.as_str())) == standard.store.nar(path),
                        "{path}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_compressed_download_that_is_cut_goes_on_from_there() {
    for nix in nixes() {
        let (mut standard, scratch) = (Standard::new(), Scratch::new());
        let large = large(&mut standard.store);
        let server = compressing(&standard.store, &scratch.join("nars"), "zstd").start();
        let proxy = Proxy::cutting(server.address(), 2, 1_000_000);
        let client = nix.client().substituting_from(&proxy.url(), PUBLIC_KEY);
        client.realise([full(&large)]).success();
        assert!(client.dump(&client.real_path(large.as_str())) == standard.store.nar(&large));
        let requests = proxy.requests();
        let resumed = requests.iter().filter(|request| request.header("range").is_some());
        assert_eq!(resumed.count(), 2, "{requests:#?}");
    }
}

#[test]
fn a_copy_of_what_had_no_file_hash_can_be_signed_anew() {
    for nix in nixes() {
        let (mut standard, scratch) = (Standard::new(), Scratch::new());
        let large = large(&mut standard.store);
        let server = compressing(&standard.store, &scratch.join("nars"), "zstd").start();
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        let copy = format!("file://{}?compression=none", client.scratch().join("copy").display());
        client
            .nix_command(["copy", "--from", server.url(), "--to", &copy, &full(&large)])
            .success();
        let key = client.scratch().write("key", SECRET_KEY);
        client
            .nix_command([
                "store",
                "sign",
                "--store",
                &copy,
                "--key-file",
                key.to_str().unwrap(),
                &full(&large),
            ])
            .success();
    }
}
