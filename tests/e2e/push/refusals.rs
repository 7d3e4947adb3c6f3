//! How a push ends that does not get everything through.

use std::net::TcpListener;

use rns_testing::{Standard, Tree, run};

use super::{await_token, push, targets::Dav};
use crate::{
    support::{canned::Canned, full, is_installed, narinfo_of, private::create},
    uploads::Pushable,
};

#[test]
fn exit_codes_tell_refused_from_unreachable_from_mistaken() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let reader = create(&cache.tokens, "reader", &["--allow", "read"]);
    await_token(&cache, &reader);
    let with = |token: &str| cache.server.url().replace("://", &format!("://ci:{token}@"));
    let code = |to: &str, more: &[&str]| {
        let done = push(&standard.store, to, &[&standard.top], more);
        (done.status.code().unwrap(), done.stderr)
    };
    assert_eq!(code(&with(&reader), &[]).0, 1);
    let (status, text) = code(&with("rns_wrong"), &[]);
    assert_eq!(status, 1);
    assert!(text.contains("credential") && !text.contains("rns_wrong"), "{text}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(code(&format!("http://{free}"), &[]).0, 3);
    assert_eq!(code("ftp://cache.example.org", &[]).0, 2);
    assert_eq!(code(&cache.url(), &["/nix/store/none"]).0, 2);
    // A life of nothing would be forgotten silently.
    assert_eq!(code(&cache.url(), &["--days", "7"]).0, 2);
    // Nothing is pushed first, for hours perhaps.
    assert_eq!(code(&cache.url(), &["--pin", "a//b"]).0, 2);
    // Nothing was kept of it all.
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 404);
    assert_eq!(code(&cache.url(), &[]).0, 0);
}

#[test]
fn a_bucket_that_cannot_be_reached_is_told_from_one_that_refuses() {
    let standard = Standard::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusing = Canned::start(|_| ("403 Forbidden", "", String::new()));
    for (endpoint, code) in [(format!("http://{free}"), 3), (refusing.url(), 1)] {
        let url = format!("s3://cache?region=here&endpoint={endpoint}");
        let root = standard.store.root().to_str().unwrap();
        let mut command = super::program(&["push", "--store", root, "--to", &url]);
        command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
        let done = run(command.arg(full(&standard.top)), super::PUSH_TIMEOUT);
        assert_eq!(done.status.code(), Some(code), "{done:?}");
    }
}

#[test]
fn a_token_that_may_push_some_names_pushes_these() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let token = create(&cache.tokens, "some", &["--allow", "push", "--paths", "*.txt"]);
    await_token(&cache, &token);
    let to = cache.server.url().replace("://", &format!("://ci:{token}@"));
    let paths = [&standard.top, &standard.executable];
    let done = push(&standard.store, &to, &paths, &[]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("not among the names"), "{}", done.stderr);
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
    assert_eq!(cache.server.get(&narinfo_of(&standard.executable)).status(), 404);
}

#[test]
fn a_body_limit_of_a_proxy_is_named_and_stops_no_other_path() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let dav = Dav::start("client_max_body_size 1m;");
    let paths = [&standard.top, &standard.blob];
    let done = push(&standard.store, &dav.url, &paths, &[]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("too large") && done.stderr.contains("413"), "{}", done.stderr);
    let narinfo = |path| dav.directory().join(narinfo_of(path).trim_start_matches('/'));
    assert!(narinfo(&standard.top).is_file() && !narinfo(&standard.blob).exists());
}

#[test]
fn a_missing_directory_for_packed_nars_is_named() {
    let (mut standard, cache) = (Standard::new(), Pushable::new());
    let large = standard.store.add("large", Tree::file(vec![7; 5 << 20]));
    let root = standard.store.root().to_str().unwrap();
    let mut command = super::program(&["push", "--store", root, "--to", &cache.url()]);
    command.arg(full(&large)).env("TMPDIR", "/nonexistent");
    let done = run(&mut command, super::PUSH_TIMEOUT);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("TMPDIR names the directory"), "{}", done.stderr);
}

#[test]
fn a_token_comes_from_a_file_the_environment_or_netrc() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let scratch = cache.server.scratch();
    let token = scratch.write("token", format!("{}\n", cache.token));
    let netrc =
        scratch.write("netrc", format!("machine 127.0.0.1 login x password {}\n", cache.token));
    let url = cache.server.url();
    push(&standard.store, url, &[&standard.dep], &["--token-file", token.to_str().unwrap()])
        .success();
    push(&standard.store, url, &[&standard.top], &["--netrc-file", netrc.to_str().unwrap()])
        .success();
    let root = standard.store.root().to_str().unwrap();
    let mut command =
        super::program(&["push", "--store", root, "--to", url, standard.blob.as_str()]);
    run(command.env("RUST_NIX_SERVE_TOKEN", &cache.token), super::PUSH_TIMEOUT).success();
    assert_eq!(push(&standard.store, url, &[&standard.link], &[]).status.code(), Some(1));
    // Of two entries for the host, the one with the login of the URL.
    let two = "machine 127.0.0.1 login reader password x\nmachine 127.0.0.1 login ci password";
    let two = scratch.write("two", format!("{two} {}\n", cache.token));
    let by_login = url.replace("://", "://ci@");
    push(&standard.store, &by_login, &[&standard.bytes], &["--netrc-file", two.to_str().unwrap()])
        .success();
    // As Nix reads its configuration: with the files that it includes.
    scratch.write("nix.conf", "!include more.conf\n");
    scratch.write("more.conf", format!("netrc-file = {}\n", netrc.display()));
    let mut command =
        super::program(&["push", "--store", root, "--to", url, standard.link.as_str()]);
    run(command.env("NIX_CONF_DIR", scratch.path()), super::PUSH_TIMEOUT).success();
}
