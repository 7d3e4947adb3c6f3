//! Everything that is pushed to can be read by real Nix afterwards.

use std::{fs, net::TcpListener, process::Command};

use rns_testing::{Process, S3Server, Scratch, Standard, run};

use super::{assert_read, on_disk, program, push, several};
use crate::{
    support::{
        PUBLIC_KEY, SECRET_KEY, eventually, full, is_installed, narinfo_of, nginx::nginx_temporary,
        nixes, write_key,
    },
    uploads::Pushable,
};

/// nginx that takes uploads by WebDAV, as many caches are made.
pub(super) struct Dav {
    _nginx: Process,
    scratch: Scratch,
    pub(super) url: String,
}

impl Dav {
    /// `more` goes into the location.
    pub(super) fn start(more: &str) -> Self {
        Self::start_with("", more)
    }

    /// `general` goes in front of the server.
    pub(super) fn start_with(general: &str, more: &str) -> Self {
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("cache")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "daemon off; master_process off; pid {own}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 {temporary}
                 {general}
                 server {{
                     listen 127.0.0.1:{port};
                     location / {{
                         root {own}/cache; dav_methods PUT; create_full_put_path on;
                         {limit}
                         {more}
                     }}
                 }}
             }}",
            limit =
                if more.contains("client_max_body_size") { "" } else { "client_max_body_size 0;" },
            own = scratch.path().display(),
            temporary = nginx_temporary(scratch.path()),
        );
        let file = scratch.write("nginx.conf", configuration);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let mut command = Command::new("nginx");
        let nginx =
            Process::start(command.env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]));
        eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _nginx: nginx, scratch, url: format!("http://127.0.0.1:{port}") }
    }

    pub(super) fn directory(&self) -> std::path::PathBuf {
        self.scratch.join("cache")
    }
}

#[test]
fn this_server_takes_it_signs_it_and_every_nix_reads_it() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let paths = several(&standard);
    let pushed = push(&standard.store, &cache.url(), &paths, &[]).success();
    assert!(pushed.stderr.contains("6 paths pushed"), "{}", pushed.stderr);
    for nix in nixes() {
        assert_read(&nix, &standard, cache.server.url(), &paths);
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        let path = full(&standard.itself);
        client.nix_command(["copy", "--from", cache.server.url(), &path]).success();
    }
}

#[test]
fn a_web_server_with_dav_takes_it() {
    if !is_installed("nginx") {
        return;
    }
    let (standard, dav) = (Standard::new(), Dav::start(""));
    let paths = several(&standard);
    push(&standard.store, &dav.url, &paths, &[]).success();
    assert!(dav.directory().join("nix-cache-info").is_file());
    for nix in nixes() {
        assert_read(&nix, &standard, &dav.url, &paths);
    }
    let again = push(&standard.store, &dav.url, &paths, &[]).success();
    assert!(again.stderr.contains("0 paths pushed (0 B), 6 already there"), "{}", again.stderr);
}

#[test]
fn a_directory_takes_it_with_a_signature_of_the_client() {
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let key = scratch.join("key");
    write_key(&key, SECRET_KEY);
    let url = format!("file://{}", scratch.join("cache").display());
    let paths = several(&standard);
    push(&standard.store, &url, &paths, &["--key", key.to_str().unwrap()]).success();
    for nix in nixes() {
        assert_read(&nix, &standard, &url, &paths);
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        client.nix_command(["copy", "--from", &url, &full(&standard.itself)]).success();
    }
}

#[test]
fn a_directory_with_an_index_learns_of_what_is_pushed_past_its_server() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let paths = several(&standard);
    // The server has an index, which it fills itself.
    push(&standard.store, &cache.url(), &[&standard.dep], &[]).success();
    let url = format!("file://{}", cache.directory.display());
    push(&standard.store, &url, &paths, &[]).success();
    assert_eq!(cache.server.get(&narinfo_of(&standard.itself)).status(), 200);
    let storage = ["storage", "verify", "--storage", &url];
    let verified = run(&mut program(&storage), super::PUSH_TIMEOUT).success();
    let text = String::from_utf8_lossy(&verified.stdout);
    assert!(text.contains("6 "), "{text}");
}

#[test]
fn a_bucket_takes_it() {
    let Some(s3) = S3Server::start() else { return };
    let standard = Standard::new();
    let paths = several(&standard).map(full);
    let root = standard.store.root().to_str().unwrap();
    let mut command = program(&["push", "--store", root, "--to", &s3.url()]);
    let state = Scratch::new();
    command.env("AWS_SHARED_CREDENTIALS_FILE", s3.credentials_file());
    // Else the index would be that of the machine.
    command.env("STATE_DIRECTORY", state.path());
    run(command.args(paths), super::PUSH_TIMEOUT).success();
    for nix in nixes() {
        let url = format!("file://{}", s3.directory().display());
        assert_read(&nix, &standard, &url, &several(&standard));
    }
}

#[test]
fn links_into_the_store_and_standard_input_name_paths() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let scratch = Scratch::new();
    let link = scratch.join("result");
    std::os::unix::fs::symlink(on_disk(&standard.store, &standard.top), &link).unwrap();
    let root = standard.store.root().to_str().unwrap();
    let mut command = program(&["push", "--store", root, "--to", &cache.url()]);
    run(command.arg(&link), super::PUSH_TIMEOUT).success();
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
    // As nix build makes it for a chroot store, and the links of a profile.
    let (generation, profile) = (scratch.join("profile-1-link"), scratch.join("profile"));
    std::os::unix::fs::symlink(full(&standard.executable), &generation).unwrap();
    std::os::unix::fs::symlink("profile-1-link", &profile).unwrap();
    let mut command = program(&["push", "--store", root, "--to", &cache.url()]);
    run(command.arg(&profile), super::PUSH_TIMEOUT).success();
    assert_eq!(cache.server.get(&narinfo_of(&standard.executable)).status(), 200);

    let list = scratch.write("list", format!("{}\n\n{}\n", full(&standard.blob), standard.itself));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(r#"exec "$0" push --store "$1" --to "$2" --stdin --json < "$3""#);
    shell.args([env!("CARGO_BIN_EXE_rust-nix-serve"), root, &cache.url()]).arg(list);
    let done = run(&mut shell, super::PUSH_TIMEOUT).success();
    let lines = String::from_utf8(done.stdout).unwrap();
    let outcome = |path, outcome| {
        let line = lines.lines().find(|line| line.contains(&full(path)));
        assert!(line.unwrap().contains(outcome), "{lines}");
    };
    outcome(&standard.blob, r#""outcome":"pushed","sent":"#);
    outcome(&standard.itself, r#""outcome":"pushed""#);
    outcome(&standard.dep, r#""outcome":"present""#);
}
