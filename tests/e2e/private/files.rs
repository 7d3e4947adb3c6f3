//! The file of tokens changes while the server runs.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rns_testing::{Server, Standard, Tree, http};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::{
    support::private::{Private, UNKNOWN, create, get_with, private, token_command, with_token},
    support::write_key,
    support::{SECRET_KEY, assert_logged, assert_refusal, eventually, narinfo_of},
};

const CLOSED: &str = "anonymous = []\nfailure_delay = \"0s\"";
const CACHE_INFO: &str = "/nix-cache-info";

fn status(server: &Server, token: &str) -> u16 {
    get_with(server, token, CACHE_INFO).status()
}

#[test]
fn a_revoked_token_opens_nothing_more_and_a_running_download_goes_on() {
    let mut standard = Standard::new();
    let big = standard.store.add("big", Tree::zeroes(256 << 20));
    let (builder, file) = private(&standard.store, CLOSED);
    let (token, other) = (create(&file, "ci", &[]), create(&file, "other", &[]));
    let server = builder.start();
    let narinfo = get_with(&server, &token, &narinfo_of(&big));
    let url = format!("/{}", crate::support::field(&narinfo, "URL").unwrap());
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&with_token(http::Request::get(&url), &token));
    assert_eq!(head.status, 200);

    token_command("revoke", &file, &["ci"]);
    eventually(|| status(&server, &token) == 401);
    assert_refusal(&get_with(&server, &token, &url), 401);
    assert_refusal(&get_with(&server, &token, &narinfo_of(&big)), 401);
    assert_eq!(status(&server, &other), 200);
    assert_logged(&server, "tokens were read again: 1");
    let mut buffer = vec![0; 1 << 20];
    while connection.read_body(&mut body, &mut buffer) > 0 {}
    assert_eq!(body.ended(), Some(true), "the download that had begun is complete");
    // The connection is open still, and the token is as bad there.
    assert_refusal(&connection.send(&with_token(http::Request::get(&url), &token)), 401);
}

#[test]
fn a_new_token_is_let_in_without_a_restart() {
    let private = Private::new();
    let token = create(&private.file, "new", &[]);
    eventually(|| status(&private.server, &token) == 200);
    assert_eq!(status(&private.server, &private.token), 200);
}

#[test]
fn a_bad_file_is_refused_and_the_last_good_one_stays() {
    let mut private = Private::new();
    let good = fs::read_to_string(&private.file).unwrap();
    for (bad, complaint) in [
        (format!("{good}\n{UNKNOWN}\n"), "line 5: here is a token itself"),
        (good.replace("allow=read", "allow=raed"), "line 3: `raed` is no permission"),
        ("\u{0}".repeat(1 << 21), "more than 1048576 bytes"),
    ] {
        write_key(&private.file, &bad);
        private.server.wait_for_line(complaint);
        assert_logged(&private.server, "the tokens stay as they were: file of tokens");
        assert_eq!(status(&private.server, &private.token), 200);
        private.server.get("/readyz").ok();
        // Asked for, it is refused as a whole.
        private.server.signal(Signal::HUP);
        private.server.wait_for_line("reload refused, everything stays as it was");
        assert_eq!(status(&private.server, &private.token), 200);
    }
    fs::remove_file(&private.file).unwrap();
    private.server.wait_for_line("it does not exist; `rust-nix-serve token create");
    assert_eq!(status(&private.server, &private.token), 200);
    assert!(!private.server.stderr().contains(UNKNOWN));

    write_key(&private.file, "# nobody\n");
    eventually(|| status(&private.server, &private.token) == 401);
}

/// No token is accepted, and the log says why.
fn assert_closed(server: &Server, token: &str, why: &str) {
    // An outage and no refusal, which clients would remember.
    assert_refusal(&get_with(server, token, CACHE_INFO), 503);
    assert_refusal(&server.get(CACHE_INFO), 401);
    let ready = server.get("/readyz");
    assert_refusal(&ready, 503);
    assert_eq!(ready.text(), "not ready: a file of tokens cannot be used; see the log\n");
    assert_logged(server, why);
    server.get("/healthz").ok();
}

fn recovers(server: &Server, file: &Path, text: &str, token: &str) {
    write_key(file, text);
    eventually(|| status(server, token) == 200);
    server.get("/readyz").ok();
}

#[test]
fn a_missing_file_lets_nobody_in_until_it_appears() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let token = create(&file, "ci", &[]);
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let server = builder.start();
    assert_closed(&server, &token, "tokens: it does not exist; `rust-nix-serve token create");
    recovers(&server, &file, &text, &token);
}

#[test]
fn a_bad_file_lets_nobody_in_until_it_is_mended() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let token = create(&file, "ci", &[]);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{SECRET_KEY}\n")).unwrap();
    let server = builder.start();
    assert_closed(&server, &token, "line 4: a name has 1 to 64 letters");
    assert!(!server.stderr().contains("TxYr32PP"));
    recovers(&server, &file, &text, &token);
}

#[test]
fn a_public_cache_is_read_whatever_its_file_of_tokens_is() {
    let standard = Standard::new();
    let (builder, _) = private(&standard.store, "anonymous = [\"read\"]");
    let server = builder.start();
    server.get(&narinfo_of(&standard.tree)).ok();
    get_with(&server, UNKNOWN, &narinfo_of(&standard.tree)).ok();
    assert_refusal(&get_with(&server, UNKNOWN, "/metrics"), 503);
}

/// Lets the server open nothing any more, or again as much as before.
fn limit_files(server: &Server, most: Option<u64>) {
    let pid = Pid::from_raw(server.id().cast_signed());
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: most.or(maximum), maximum }).unwrap();
}

#[test]
fn what_could_not_be_read_is_read_later_without_another_change() {
    let mut private = Private::with("anonymous = [\"metrics\"]\nfailure_delay = \"0s\"");
    let key = private.server.scratch().join("key-0");
    let problems = |server: &Server| {
        let metrics = server.get("/metrics").text().to_owned();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("rust_nix_serve_token_file_problems "))
            .unwrap();
        line.ends_with(" 1")
    };
    assert!(!problems(&private.server));

    limit_files(&private.server, Some(4));
    token_command("revoke", &private.file, &["reader"]);
    write_key(
        &key,
        "other-1:R9/G623S12Y+jcmmi8SHlHG7aIwAY/8hoI6/LHFpTvTJa0GqLk8Q8RFUWB70QSAU3GHSWoJNfrt9AdBzKPji0g==",
    );
    private.server.wait_for_line("the tokens stay as they were: file of tokens");
    private.server.wait_for_line("the keys stay as they were");
    assert_logged(&private.server, "Too many open files");
    limit_files(&private.server, None);

    eventually(|| status(&private.server, &private.token) == 401);
    assert_logged(&private.server, "signing with other-1");
    eventually(|| !problems(&private.server));

    // A file with a mistake is counted, and told once.
    write_key(&private.file, "nonsense\n");
    eventually(|| problems(&private.server));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(private.server.stderr().matches("line 1: expected").count(), 1);
}

#[test]
fn a_token_that_is_revoked_while_a_reload_waits_does_not_come_back_with_it() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let token = create(&file, "ci", &[]);
    // There is no room for so many, so that it is not known for ten seconds which paths the new configuration shows.
    let server = builder.store_number("index_entries", 1).start();
    assert_eq!(status(&server, &token), 200);
    let config = server.scratch().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let roots = format!("[expose]\nroots = [{:?}]\n", crate::support::full(&standard.top));
    fs::write(&config, format!("{text}\n{roots}")).unwrap();
    server.signal(Signal::HUP);
    assert_logged(&server, "index_entries");

    token_command("revoke", &file, &["ci"]);
    eventually(|| status(&server, &token) == 401);
    let is_reloaded = || server.stderr().lines().any(|line| line.ends_with(" reloaded"));
    assert!(!is_reloaded(), "it waits");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_reloaded() {
        assert_eq!(status(&server, &token), 401);
        assert!(Instant::now() < deadline);
    }
    for _ in 0..50 {
        assert_eq!(status(&server, &token), 401);
    }
}

#[test]
fn a_file_that_breaks_while_a_reload_waits_does_not_bring_a_revoked_token_back() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let token = create(&file, "ci", &[]);
    let mut server = builder.store_number("index_entries", 1).start();
    let config = server.scratch().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        format!("{text}\n[expose]\nroots = [{:?}]\n", crate::support::full(&standard.top)),
    )
    .unwrap();
    server.signal(Signal::HUP);
    assert_logged(&server, "index_entries");
    token_command("revoke", &file, &["ci"]);
    eventually(|| status(&server, &token) == 401);
    write_key(&file, "nonsense\n");
    server.wait_for_line("the tokens stay as they were");
    server.wait_for_lines(1, Duration::from_secs(30), |line| {
        line.contains("a file broke meanwhile").then_some(())
    });
    assert_eq!(status(&server, &token), 401);
}
