//! The reason and the next step, as a user reads them who cannot push.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rns_testing::{Finished, FixtureStore, S3Server, Standard};

use super::{await_token, push};
use crate::{
    support::{
        SECRET_KEY, assert_logged, eventually,
        private::{create, create_expired},
        serve, server,
    },
    uploads::Pushable,
};

/// That a push ended with 1, and said these things.
#[track_caller]
fn assert_said(done: &Finished, words: &[&str]) {
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    for word in words {
        assert!(done.stderr.contains(word), "{word:?} is not in\n{}", done.stderr);
    }
}

#[test]
fn a_server_without_a_push_address_says_which_setting_is_missing() {
    let (standard, empty) = (Standard::new(), FixtureStore::new());
    let server = serve(&empty);
    let done = push(&standard.store, server.url(), &[&standard.itself], &[]);
    let setting = "this cache takes no pushes: neither storage.url nor upload.target is set";
    assert_said(&done, &["405", setting, "once its configuration has storage.url"]);
    // Paths that were not even tried are counted, and not listed.
    assert!(!done.stderr.contains("not tried"), "{}", done.stderr);
}

#[test]
fn a_credential_that_does_not_do_is_told_from_none() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let reader = create(&cache.tokens, "reader", &["--allow", "read"]);
    let old = create_expired(&cache.tokens, "old");
    await_token(&cache, &reader);
    let with = |token: &str| cache.server.url().replace("://", &format!("://ci:{token}@"));
    let said = |to: &str, words: &[&str]| {
        let done = push(&standard.store, to, &[&standard.top], &[]);
        assert_said(&done, words);
        assert!(!done.stderr.contains(&reader) && !done.stderr.contains(&old), "{done:?}");
    };
    let none = "none was given: there is no /nonexistent/netrc (401)";
    said(cache.server.url(), &[none, "--token-file", "token create NAME"]);
    let netrc = cache.server.scratch().write("netrc", "machine other.example.org password x\n");
    let flags = ["--netrc-file", netrc.to_str().unwrap()];
    let done = push(&standard.store, cache.server.url(), &[&standard.top], &flags);
    assert_said(&done, &[&format!("{} has no entry for 127.0.0.1 (401)", netrc.display())]);
    said(&with("rns_wrong"), &["does not know this credential", "token create NAME"]);
    said(&with(&old), &["the token has expired (401)", "makes a new one"]);
    said(&with(&reader), &["lacks the permission push", "token create NAME"]);
}

#[test]
fn a_token_that_may_not_push_is_told_so_and_not_sent_to_another_address() {
    let (standard, empty) = (Standard::new(), FixtureStore::new());
    let builder = server().store(&empty).keys([SECRET_KEY]);
    let tokens = builder.scratch().join("tokens");
    let token = create(&tokens, "reader", &["--allow", "read"]);
    let storage = builder.scratch().join("cache");
    fs::create_dir(&storage).unwrap();
    let section = format!(
        "[storage]\nurl = \"file://{}\"\n[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]",
        storage.display()
    );
    let server = builder.section(&section).start();
    // Its reading address takes no pushes from any client.
    let to = server.url().replace("://", &format!("://ci:{token}@"));
    let done = push(&standard.store, &to, &[&standard.top], &[]);
    assert_said(&done, &["(403)", "lacks the permission push", "token create NAME"]);
    assert!(!done.stderr.contains("405"), "{}", done.stderr);
}

#[test]
fn an_index_that_cannot_be_used_is_named_to_the_operator() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    // The server opens it with the first upload.
    let folder = cache.directory.join(".rust-nix-serve");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("index.sqlite"), "something else").unwrap();
    // It stays as it is.
    let once = ["--attempts", "1"];
    let done = push(&standard.store, &cache.url(), &[&standard.top], &once);
    let log = "the log of the server says why";
    assert_said(&done, &[log, "on the server, `rust-nix-serve doctor`"]);
    assert_logged(&cache.server, "index.sqlite");
}

#[test]
fn a_bucket_without_credentials_is_named_to_the_operator() {
    let Some(s3) = S3Server::start() else { return };
    let standard = Standard::new();
    let builder = server().keys([SECRET_KEY]).store_flag("enabled", false);
    let tokens = builder.scratch().join("tokens");
    let token = create(&tokens, "ci", &["--allow", "push"]);
    let nothing = builder.scratch().join("nothing");
    let nothing = nothing.to_str().unwrap();
    let section = format!(
        "[storage]\nurl = {:?}\n[index]\nurl = \"sqlite://{}\"\n\
         [access]\ntokens = {tokens:?}\nanonymous = [\"read\"]",
        s3.url(),
        builder.scratch().join("index.sqlite").display()
    );
    let server = builder
        .section(&section)
        .env("AWS_SHARED_CREDENTIALS_FILE", nothing)
        .env("AWS_CONFIG_FILE", nothing)
        // A machine of a cloud would be asked there.
        .env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
        .start();
    let to = server.url().replace("://", &format!("://ci:{token}@"));
    let done = push(&standard.store, &to, &[&standard.top], &["--attempts", "1"]);
    assert_said(&done, &["the log of the server says why", "`rust-nix-serve doctor`"]);
    assert_logged(&server, "no credentials for the bucket: set AWS_ACCESS_KEY_ID");
}

#[test]
fn a_key_that_cannot_be_used_is_one_line_of_the_log() {
    let standard = Standard::new();
    let builder = server().store(&standard.store).keys([SECRET_KEY]);
    let key = builder.scratch().join("key-0");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let server = builder.start();
    assert_logged(&server, "narinfos are answered with 503 until then");
    assert_eq!(server.get("/readyz").status(), 503);
    assert!(!server.stderr().contains("nothing is signed here"), "{}", server.stderr());
    let sound = serve(&standard.store);
    eventually(|| sound.stderr().contains("every path that is served is signed"));
}

#[test]
fn a_quiet_push_says_nothing_unless_something_is_wrong() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let done = push(&standard.store, &cache.url(), &[&standard.top], &["--quiet"]).success();
    assert_eq!((done.text().as_str(), done.stderr.as_str()), ("", ""));
    let to = cache.server.url();
    assert_said(&push(&standard.store, to, &[&standard.blob], &["--quiet"]), &["(401)"]);
}
