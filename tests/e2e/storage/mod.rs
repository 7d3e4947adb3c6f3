//! A binary cache in a directory or bucket, served beside the local store or instead of it.

mod collection;
mod commands;
mod day;
mod indexes;
mod kills;
mod limits;
mod upstreams;

use std::{fs, path::Path};

use rns_formats::{Compression, NarInfo, StorePath};
use rns_testing::{
    FixtureStore, S3Server, Scratch, Server, ServerBuilder, Standard, Tree, http::Request,
};

use crate::support::{PUBLIC_KEY, SECRET_KEY, field, fields, full, narinfo_of, nixes, server};

/// A directory that a real Nix has written, with these paths.
fn written_by(
    nix: &rns_testing::Nix,
    store: &FixtureStore,
    paths: &[&StorePath],
    parameters: &str,
) -> Scratch {
    let directory = Scratch::new();
    let target = format!("file://{}?{parameters}", directory.path().display());
    let client = nix.client().with_root(store.root());
    let paths = paths.iter().map(|path| full(path));
    let arguments = ["copy".to_owned(), "--to".to_owned(), target, "--no-check-sigs".to_owned()];
    client.nix_command(arguments.into_iter().chain(paths)).success();
    directory
}

/// A server of this storage alone.
fn of_storage(url: &str) -> ServerBuilder {
    // The section [store] is the last one of the file.
    server().section(&format!("[storage]\nurl = {url:?}")).store_flag("enabled", false)
}

fn of_directory(directory: &Path) -> ServerBuilder {
    of_storage(&format!("file://{}", directory.display()))
}

/// A fresh client takes the closure, with signatures of the server's key.
fn assert_copied(nix: &rns_testing::Nix, server: &Server, standard: &Standard, path: &StorePath) {
    let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
    client.nix_command(["copy", "--from", server.url(), &full(path)]).success();
    assert!(client.dump(&client.real_path(path.as_str())) == standard.store.nar(path));
}

#[test]
fn a_directory_that_nix_wrote_is_served_and_signed() {
    for nix in nixes() {
        for compression in ["none", "xz", "bzip2", "zstd"] {
            let standard = Standard::new();
            let paths = [&standard.itself, &standard.top, &standard.blob];
            let parameters = format!("compression={compression}&write-nar-listing=true");
            let directory = written_by(&nix, &standard.store, &paths, &parameters);
            let server = of_directory(directory.path()).keys([SECRET_KEY]).start();
            let narinfo = server.get(&narinfo_of(&standard.itself));
            assert_eq!(narinfo.status(), 200, "{compression}");
            assert_eq!(field(&narinfo, "Compression"), Some(compression));
            assert_eq!(fields(&narinfo, "Sig").len(), 1);
            assert_copied(&nix, &server, &standard, &standard.itself);
            assert_copied(&nix, &server, &standard, &standard.top);

            let narinfo = server.get(&narinfo_of(&standard.blob));
            let nar = format!("/{}", field(&narinfo, "URL").unwrap());
            let whole = server.get(&nar);
            let part = server.connect().send(&Request::get(&nar).header("Range", "bytes=100000-"));
            assert_eq!((whole.status(), part.status()), (200, 206));
            assert!(whole.body[100_000..] == part.body[..]);
            let listing = server.get(&format!("/{}.ls", standard.itself.hash_part()));
            assert_eq!(listing.status(), 200);
            assert_eq!(server.get("/readyz").status(), 200);
        }
    }
}

#[test]
fn what_the_local_store_does_not_have_comes_from_the_storage() {
    let Some(nix) = nixes().last() else { return };
    let standard = Standard::new();
    let paths = [&standard.itself, &standard.top];
    let directory = written_by(&nix, &standard.store, &paths, "compression=xz");
    let mut local = FixtureStore::new();
    let own = local.add("own", Tree::file("only in the local store"));
    let url = format!("file://{}", directory.path().display());
    let server = server()
        .section(&format!("[storage]\nurl = {url:?}"))
        .store(&local)
        .keys([SECRET_KEY])
        .start();
    assert_eq!(server.get(&narinfo_of(&own)).status(), 200);
    assert_copied(&nix, &server, &standard, &standard.itself);
    let missing = StorePath::parse("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-x").unwrap();
    assert_eq!(server.get(&narinfo_of(&missing)).status(), 404);
}

#[test]
fn a_bucket_is_served_like_a_directory() {
    let Some(nix) = nixes().last() else { return };
    let Some(bucket) = S3Server::start() else { return };
    let standard = Standard::new();
    let paths = [&standard.itself, &standard.blob];
    let directory = written_by(&nix, &standard.store, &paths, "compression=zstd");
    copy_tree(directory.path(), &bucket.directory());
    let server = of_storage(&bucket.url())
        .env("AWS_SHARED_CREDENTIALS_FILE", bucket.credentials_file().to_str().unwrap())
        .keys([SECRET_KEY])
        .start();
    assert_copied(&nix, &server, &standard, &standard.itself);
    assert_copied(&nix, &server, &standard, &standard.blob);
}

#[test]
fn a_storage_that_is_not_there_is_an_outage() {
    let Some(nix) = nixes().last() else { return };
    let standard = Standard::new();
    let directory = written_by(&nix, &standard.store, &[&standard.top], "compression=none");
    let server = of_directory(directory.path()).start();
    assert_eq!(server.get(&narinfo_of(&standard.top)).status(), 200);
    // This is how a disk that is not mounted looks.
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    // The directory is held open for a fraction of a second.
    crate::support::eventually(|| server.get(&narinfo_of(&standard.blob)).status() == 503);
    crate::support::eventually(|| server.get("/readyz").status() == 503);
}

#[test]
fn nars_of_a_bucket_can_come_from_the_bucket_itself() {
    let Some(bucket) = S3Server::start() else { return };
    for nix in nixes() {
        let standard = Standard::new();
        let paths = [&standard.itself, &standard.blob];
        let directory = written_by(&nix, &standard.store, &paths, "compression=zstd");
        copy_tree(directory.path(), &bucket.directory());
        let storage = format!("[storage]\nurl = {:?}\nredirect = true", bucket.url());
        let server = server()
            .section(&storage)
            .store_flag("enabled", false)
            .env("AWS_SHARED_CREDENTIALS_FILE", bucket.credentials_file().to_str().unwrap())
            .keys([SECRET_KEY])
            .start();
        assert_copied(&nix, &server, &standard, &standard.itself);
        let narinfo = server.get(&narinfo_of(&standard.blob));
        let nar = format!("/{}", field(&narinfo, "URL").unwrap());
        let redirect = server.get(&nar);
        assert_eq!(redirect.status(), 307);
        let location = redirect.header("Location").unwrap();
        assert!(location.contains("X-Amz-Signature"), "{location}");
        // The URL is good for reading only.
        assert_eq!(server.head(&nar).status(), 200);
        assert_eq!(
            server
                .get("/nar/0000000000000000000000000000000000000000000000000000.nar.zst")
                .status(),
            404
        );
    }
}

#[test]
fn fields_that_nobody_knows_reach_the_client_within_a_bound() {
    let standard = Standard::new();
    let (path, nar) = (&standard.blob, standard.store.nar(&standard.blob));
    let info = standard.store.info(path);
    let directory = Scratch::new();
    directory.write("nar.nar", &nar);
    directory.write("nix-cache-info", "StoreDir: /nix/store\n");
    let narinfo = NarInfo {
        unknown: vec![
            ("FutureField".into(), "one: two".into()),
            ("Huge".into(), "x".repeat(8 << 10)),
            ("Another".into(), "three".into()),
        ],
        ..NarInfo::for_path(info, "nar.nar".into(), Compression::None, None, Vec::new())
    };
    let text = narinfo.write(standard.store.store_dir());
    directory.write(narinfo_of(path).trim_start_matches('/'), text);
    let server = of_directory(directory.path()).keys([SECRET_KEY]).start();
    let served = server.get(&narinfo_of(path));
    assert_eq!(field(&served, "FutureField"), Some("one: two"));
    assert_eq!(field(&served, "Another"), Some("three"));
    assert_eq!(field(&served, "Huge"), None);
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_tree(&path, &target) } else { _ = fs::copy(&path, target).unwrap() }
    }
}
