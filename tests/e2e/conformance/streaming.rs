//! Checks C49 to C53: changes of a path while its NAR is on its way.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rns_testing::{FixtureStore, Server, Standard, Tree, http::Request, run};

use crate::support::{
    assert_logged, assert_refusal, is_installed, nar_of, narinfo_of, serve, server,
};

/// A tree whose NAR is far too large for the buffers between server and client.
fn large_store() -> (FixtureStore, rns_formats::StorePath) {
    let mut store = FixtureStore::new();
    let file = |n: u8| Tree::file(vec![n; 8 << 20]);
    let path = store.add("large", Tree::directory((0..8).map(|n| (format!("file-{n}"), file(n)))));
    (store, path)
}

fn make_writable(path: &std::path::Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Reads a little, lets `meddle` happen, reads the rest; the bytes that came and whether they were all.
fn interrupted(server: &Server, target: &str, meddle: impl FnOnce()) -> (Vec<u8>, bool) {
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&Request::get(target));
    assert_eq!(head.status, 200);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let read = connection.read_body(&mut body, &mut buffer);
    bytes.extend_from_slice(&buffer[..read]);
    meddle();
    loop {
        match connection.read_body(&mut body, &mut buffer) {
            0 => return (bytes, body.ended() == Some(true)),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

#[test]
fn c49_a_file_cut_short_on_disk_aborts_the_download() {
    let (store, path) = large_store();
    let server = serve(&store);
    let last = store.real_path(&path).join("file-7");
    let (bytes, complete) = interrupted(&server, &nar_of(&server, &path), || {
        make_writable(&last);
        fs::File::options().write(true).open(&last).unwrap().set_len(1000).unwrap();
    });
    assert!(!complete && bytes.len() < store.nar(&path).len());
    assert_logged(&server, path.as_str());
    server.get("/nix-cache-info").ok();
}

#[test]
fn c49_a_file_that_vanishes_aborts_the_download() {
    let (store, path) = large_store();
    let server = serve(&store);
    let (_, complete) = interrupted(&server, &nar_of(&server, &path), || {
        make_writable(&store.real_path(&path));
        fs::remove_file(store.real_path(&path).join("file-7")).unwrap();
    });
    assert!(!complete);
}

#[test]
fn c49_a_failure_over_http2_resets_the_stream_and_spares_the_others() {
    if !is_installed("curl") {
        return;
    }
    let (store, path) = large_store();
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.crt");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.key");
    let section = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}");
    let server = server()
        .store(&store)
        .listen(["tls://127.0.0.1:0", "127.0.0.1:0"])
        .section(&section)
        .start();
    let plain = server.urls().iter().find(|url| url.starts_with("http://")).unwrap().clone();
    let secure = server.urls().iter().find(|url| url.starts_with("https://")).unwrap().clone();
    let target = format!("/nar/{}.nar", path.hash_part());
    let curl = |url: &str, arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "--cacert",
            certificate,
            "--http2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
        ]);
        command.args(arguments).arg(url);
        command
    };
    let download = thread::spawn({
        let mut command = curl(&format!("{secure}{target}"), &["--limit-rate", "16M"]);
        move || run(&mut command, Duration::from_secs(60))
    });
    thread::sleep(Duration::from_millis(700));
    let last = store.real_path(&path).join("file-7");
    make_writable(&last);
    fs::File::options().write(true).open(&last).unwrap().set_len(1000).unwrap();
    let download = download.join().unwrap().failure();
    assert_eq!(download.text(), "2 200", "{}", download.stderr);
    for url in [secure, plain] {
        run(&mut curl(&format!("{url}/nix-cache-info"), &["--fail"]), Duration::from_secs(10))
            .success();
    }
}

#[test]
fn c49_altered_contents_of_the_same_length_never_end_cleanly() {
    let (store, path) = large_store();
    let server = serve(&store);
    let file = store.real_path(&path).join("file-7");
    make_writable(&file);
    fs::write(&file, vec![b'!'; 8 << 20]).unwrap();
    let target = nar_of(&server, &path);
    let answer = server.get(&target);
    assert!(
        answer.status() != 200 || !answer.complete,
        "altered contents were served as if nothing had happened"
    );
    // The fault is remembered: the next client is told before anything is sent.
    assert_refusal(&server.get(&target), 404);
    assert_logged(&server, path.as_str());
}

#[test]
fn c50_a_path_collected_after_its_narinfo_is_a_miss() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    standard.store.forget(&standard.blob);
    standard.store.remove_files(&standard.blob);
    assert_refusal(&server.get(&target), 404);
    assert_refusal(&server.get(&narinfo_of(&standard.blob)), 404);
}

#[test]
fn c50_a_row_that_is_gone_hides_files_that_are_still_there() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    server.get(&target).ok();
    standard.store.forget(&standard.blob);
    assert_refusal(&server.get(&target), 404);
}

#[test]
fn c52_a_client_that_pauses_gets_everything() {
    let (store, path) = large_store();
    let server = serve(&store);
    // Two minutes in the full run; the limit that would cut it is minutes, not seconds.
    let pause = if crate::support::is_full() { 125 } else { 8 };
    let (bytes, complete) =
        interrupted(&server, &nar_of(&server, &path), || thread::sleep(Duration::from_secs(pause)));
    assert!(complete && bytes == store.nar(&path));
}

#[test]
fn c52_a_client_that_takes_nothing_for_too_long_is_cut_off() {
    let (store, path) = large_store();
    let server = server().store(&store).section("[limits]\nstall_timeout = \"3s\"").start();
    assert!(server.stderr().contains("stall_timeout"), "nobody was warned: {}", server.stderr());
    let target = nar_of(&server, &path);
    let (bytes, complete) = interrupted(&server, &target, || thread::sleep(Duration::from_secs(6)));
    assert!(!complete && bytes.len() < store.nar(&path).len());
    // One that takes a little now and then is not.
    let mut connection = server.connect();
    let (_, mut body) = connection.start(&Request::get(&target));
    let mut buffer = vec![0; 8 << 20];
    for _ in 0..5 {
        assert_ne!(connection.read_body(&mut body, &mut buffer), 0);
        thread::sleep(Duration::from_secs(1));
    }
    while connection.read_body(&mut body, &mut buffer) > 0 {}
    assert_eq!(body.ended(), Some(true));
}

#[test]
fn c53_a_client_that_leaves_takes_its_work_with_it() {
    let (store, path) = large_store();
    let server = serve(&store);
    let target = nar_of(&server, &path);
    server.get(&target).ok();
    let files_before = server.open_files();
    for _ in 0..20 {
        let mut connection = server.connect();
        let (_, mut body) = connection.start(&Request::get(&target));
        connection.read_body(&mut body, &mut [0; 1024]);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.open_files() > files_before {
        assert!(
            Instant::now() < deadline,
            "{} open files, {files_before} before",
            server.open_files()
        );
        thread::sleep(Duration::from_millis(50));
    }
    let before = server.cpu_ticks();
    thread::sleep(Duration::from_secs(1));
    assert!(server.cpu_ticks() - before < 20, "still working a second later");
}
