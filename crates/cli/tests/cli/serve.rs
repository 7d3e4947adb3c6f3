//! `serve` from outside: flags, the announcement at the start, the log, reload.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    process::Command,
    time::{Duration, Instant},
};

use rns_testing::{FixtureStore, Process, Scratch, http, run};
use rustix::process::Signal;

use crate::{PUBLIC, SECRET, program, write_key};

/// The program on a store, listening on a free port unless the arguments say otherwise.
fn serve(store: &FixtureStore, arguments: &[&str]) -> Command {
    let mut command = program();
    command
        .args(arguments)
        .arg("--store")
        .arg(store.root())
        .env("RUST_NIX_SERVE_STORE_DAEMON_SOCKET", "none")
        .stdout(fs::File::create(store.root().join("stdout")).unwrap());
    command
}

/// The URL that the server says it listens on.
fn url(process: &mut Process) -> String {
    let line = process.wait_for_line("listening on http://127.0.0.1:");
    let (_, url) = line.split_once("listening on ").unwrap();
    url.trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned()
}

fn get(url: &str, target: &str) -> http::Response {
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    http::Connection::tcp(address).send(&http::Request::get(target))
}

/// Standard output, as soon as it says this.
fn wait_for_output(store: &FixtureStore, text: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let said = fs::read_to_string(store.root().join("stdout")).unwrap();
        if said.contains(text) {
            return said;
        }
        assert!(Instant::now() < deadline, "{text}\nnot in\n{said}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_starts_as_nix_serve_does() {
    let store = FixtureStore::new();
    let flags = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--priority",
        "40",
        "-E",
        "production",
        "--workers",
        "2",
    ];
    let mut process = Process::start(&mut serve(&store, &flags));
    let url = url(&mut process);
    assert_eq!(
        get(&url, "/nix-cache-info").text(),
        "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    );
    let ignored = process.stderr();
    assert_eq!(
        ignored.matches("ignored, because it means nothing here: --env").count(),
        1,
        "{ignored}"
    );
}

#[test]
fn without_a_subcommand_or_an_address_it_serves_on_the_loopbacks() {
    let store = FixtureStore::new();
    let mut process = Process::start(&mut serve(&store, &["--port", "0"]));
    let url = url(&mut process);
    assert_eq!(get(&url, "/nix-cache-info").status(), 200);
    let said = wait_for_output(&store, "nix copy --from");
    assert!(said.contains(&format!("  extra-substituters = {url}\n")), "{said}");
    assert!(said.contains("This server signs nothing"), "{said}");
    let listening = process.stderr();
    let elsewhere = listening.lines().filter(|line| line.contains("listening on "));
    for line in elsewhere {
        assert!(line.contains("http://127.0.0.1:") || line.contains("http://[::1]:"), "{line}");
    }
}

#[test]
fn keys_of_nix_serves_variable_and_of_credentials_sign_and_are_announced() {
    let store = FixtureStore::new();
    let key = store.root().join("sign-key");
    write_key(&key, SECRET);
    let flags = ["--listen", "127.0.0.1:0"];
    for (name, value, flags) in [
        ("NIX_SECRET_KEY_FILE", key.as_path(), flags.as_slice()),
        (
            "CREDENTIALS_DIRECTORY",
            store.root(),
            &[flags.as_slice(), &["--signing-key", "sign-key"]].concat(),
        ),
    ] {
        let mut process = Process::start(serve(&store, flags).env(name, value));
        let url = url(&mut process);
        assert_eq!(get(&url, "/pubkey").text().trim(), PUBLIC, "{name}");
        let said = wait_for_output(&store, "nix copy --from");
        assert!(said.contains(&format!("  extra-trusted-public-keys = {PUBLIC}\n")), "{said}");
    }
}

#[test]
fn a_unix_socket_is_listened_on() {
    let store = FixtureStore::new();
    let socket = store.root().join("http.sock");
    let address = format!("unix:{}", socket.display());
    let mut process = Process::start(&mut serve(&store, &["serve", "--listen", &address]));
    process.wait_for_line(&format!("listening on {address}"));
    let answer = http::Connection::unix(&socket).send(&http::Request::get("/nix-cache-info"));
    assert_eq!(answer.status(), 200);
    assert!(wait_for_output(&store, "public_url").contains(&format!("  {address}\n")));
}

#[test]
fn a_machine_can_read_every_line_of_a_json_log() {
    let store = FixtureStore::new();
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--public-url",
        "https://c.example.org",
    ];
    let mut process = Process::start(&mut serve(&store, &flags));
    process.wait_for_line("\"substituter\":\"https://c.example.org\"");
    for line in process.stderr().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["level"].is_string() && entry["message"].is_string(), "{line}");
    }
    assert_eq!(fs::read_to_string(store.root().join("stdout")).unwrap(), "");
}

#[test]
fn the_journal_gets_priorities_and_no_times() {
    let store = FixtureStore::new();
    let file = store.root().join("stderr");
    let stderr = fs::File::create(&file).unwrap();
    let metadata = stderr.metadata().unwrap();
    let nowhere = format!("unix:{}/none/http.sock", store.root().display());
    let mut command = serve(&store, &["--listen", &nowhere, "-E", "production"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    let status = command.stderr(stderr).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let said = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.first().unwrap().starts_with("<4>"), "{said}");
    assert!(
        lines.first().unwrap().ends_with("ignored, because it means nothing here: --env"),
        "{said}"
    );
    assert!(lines.last().unwrap().starts_with("<3>rust-nix-serve: cannot serve: "), "{said}");

    // The variable alone, inherited from a unit whose output goes elsewhere, changes nothing.
    let mut command = serve(&store, &["--listen", &nowhere, "-E", "production"]);
    let finished = run(command.env("JOURNAL_STREAM", "1:1"), Duration::from_secs(120));
    assert!(finished.stderr.contains(" WARN "), "{}", finished.stderr);
}

#[test]
fn a_reload_takes_up_keys_and_log_level_and_says_what_waits_for_a_restart() {
    let store = FixtureStore::new();
    let scratch = Scratch::new();
    let config = scratch.join("config.toml");
    let write =
        |text: &str| fs::write(&config, format!("listen = [\"127.0.0.1:0\"]\n{text}")).unwrap();
    write("");
    let mut process = Process::start(&mut serve(&store, &["--config", config.to_str().unwrap()]));
    let url = url(&mut process);
    assert_eq!(get(&url, "/pubkey").text(), "");

    let key = scratch.join("key");
    write_key(&key, SECRET);
    let signing = format!("workers = 1\n[signing]\nkeys = [{key:?}]\n");
    write(&signing);
    process.signal(Signal::HUP);
    let waiting = process.wait_for_line("only a restart makes it take effect");
    assert!(waiting.ends_with("take effect: workers"), "{waiting}");
    process.wait_for_line("reloaded");
    assert_eq!(get(&url, "/pubkey").text().trim(), PUBLIC);

    // A configuration with problems is refused as a whole, and all of them are told.
    write("[signing]\nkeys = []\npolice = \"add\"\n[log]\nlevel = \"loud\"\n");
    process.signal(Signal::HUP);
    process.wait_for_line("did you mean `signing.policy`?");
    process.wait_for_line("`loud` is not a log level");
    assert_eq!(get(&url, "/pubkey").text().trim(), PUBLIC);

    // So is one that names a key which cannot be used.
    write(&signing.replace("key\"", "nokey\""));
    process.signal(Signal::HUP);
    let refused = process.wait_for_line("nokey: it does not exist");
    assert!(refused.contains(&format!("signing.keys ({}:4)", config.display())), "{refused}");
    assert_eq!(get(&url, "/pubkey").text().trim(), PUBLIC);

    write(&format!("{signing}[log]\nlevel = \"error\"\n"));
    process.signal(Signal::HUP);
    // Nothing is logged any more, so that only missing lines show the new level.
    let before = process.stderr().matches("reloaded").count();
    std::thread::sleep(Duration::from_millis(300));
    process.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(process.stderr().matches("reloaded").count(), before, "{}", process.stderr());
    write(&signing);
    process.signal(Signal::HUP);
    let back = |line: &str| line.contains("reloaded").then_some(());
    process.wait_for_lines(before + 1, Duration::from_secs(10), back);
}

#[test]
fn a_private_cache_stays_one_when_its_file_is_gone_or_empty_at_a_reload() {
    let store = FixtureStore::new();
    let scratch = Scratch::new();
    let config = scratch.join("config.toml");
    let closed = "listen = [\"127.0.0.1:0\"]\n[access]\nanonymous = []\nfailure_delay = \"0s\"\n";
    fs::write(&config, closed).unwrap();
    let mut process = Process::start(&mut serve(&store, &["--config", config.to_str().unwrap()]));
    let url = url(&mut process);
    assert_eq!(get(&url, "/nix-cache-info").status(), 401);

    fs::write(&config, "").unwrap();
    process.signal(Signal::HUP);
    process.wait_for_line("config.toml has become empty; to go on with the defaults, restart");
    assert_eq!(get(&url, "/nix-cache-info").status(), 401);

    fs::remove_file(&config).unwrap();
    process.signal(Signal::HUP);
    process.wait_for_line(
        "reload refused, everything stays as it was: the configuration has a problem",
    );
    assert_eq!(get(&url, "/nix-cache-info").status(), 401);

    // An operator who opens it means it, and gets a line in the log.
    fs::write(&config, closed.replace("anonymous = []", "anonymous = [\"read\"]")).unwrap();
    process.signal(Signal::HUP);
    process.wait_for_line("this reload gives anonymous clients more permissions: read");
    process.wait_for_lines(1, Duration::from_secs(10), |line| {
        line.ends_with(" reloaded").then_some(())
    });
    assert_eq!(get(&url, "/nix-cache-info").status(), 200);
}
