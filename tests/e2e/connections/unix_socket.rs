//! Listening on a unix socket.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rns_testing::{Server, ServerBuilder, Standard, http};
use rustix::process::Signal;

use crate::support::{assert_refuses_to_start, narinfo_of, server};

fn listening_on(path: &Path, mode: &str, standard: &Standard) -> ServerBuilder {
    let address = format!("unix:{}", path.display());
    server()
        .listen([address.as_str()])
        .store(&standard.store)
        .section(&format!("[unix]\nmode = {mode:?}"))
}

fn get(path: &Path, target: &str) -> http::Response {
    http::Connection::unix(path).send(&http::Request::get(target))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    (directory, path)
}

fn end(mut server: Server, signal: Signal) {
    server.signal(signal);
    server.wait(Duration::from_secs(20));
}

#[test]
fn serves_with_the_configured_mode_and_leaves_nothing_behind() {
    let standard = Standard::new();
    let (_directory, path) = place();
    let server = listening_on(&path, "0620", &standard).start();
    assert_eq!(server.url(), format!("unix:{}", path.display()));
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o620);
    assert_eq!(get(&path, "/nix-cache-info").status(), 200);
    assert_eq!(get(&path, &narinfo_of(&standard.tree)).status(), 200);
    end(server, Signal::TERM);
    assert!(!path.exists());
}

#[test]
fn takes_the_place_of_a_server_that_was_killed() {
    let standard = Standard::new();
    let (_directory, path) = place();
    end(listening_on(&path, "0660", &standard).start(), Signal::KILL);
    assert!(path.exists(), "a killed server cannot clean up");
    let _second = listening_on(&path, "0660", &standard).start();
    assert_eq!(get(&path, "/nix-cache-info").status(), 200);
}

#[test]
fn does_not_take_the_place_of_a_server_that_is_there() {
    let standard = Standard::new();
    let (_directory, path) = place();
    let _first = listening_on(&path, "0660", &standard).start();
    let (mut second, _scratch) = listening_on(&path, "0660", &standard).spawn();
    assert_refuses_to_start(&mut second, "in use");
    assert_eq!(get(&path, "/nix-cache-info").status(), 200);
}

#[test]
fn does_not_remove_what_is_no_socket() {
    let standard = Standard::new();
    let (_directory, path) = place();
    fs::write(&path, "precious").unwrap();
    let (mut process, _scratch) = listening_on(&path, "0660", &standard).spawn();
    assert_refuses_to_start(&mut process, "not a socket");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}
