//! The set-up of most tests.

pub(crate) mod canned;
pub(crate) mod certificates;
pub(crate) mod compression;
pub(crate) mod http2;
pub(crate) mod nginx;
pub(crate) mod private;
pub(crate) mod tls;
pub(crate) mod twins;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rns_formats::{Sha256Digest, StorePath};
use rns_testing::{FixtureStore, Nix, Process, Server, ServerBuilder, http::Response};

/// A throw-away secret key, and its public key.
pub(crate) const SECRET_KEY: &str = "test-1:TxYr32PPRzSsckW/L+v+DAueu9Aa538t8rwHPYpZZh160KIooFm05428G1z/4gRahkhEh91sf3YHe27vF/rgwQ==";
pub(crate) const PUBLIC_KEY: &str = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";

/// A public key of the same name that nothing here is signed with.
pub(crate) const OTHER_PUBLIC_KEY: &str = "test-1:j5kOPTiiSixvoKW4QLpyBa1Zdpt0irvJJ9+Cq+Oeal4=";

/// The program under test.
pub(crate) fn server() -> ServerBuilder {
    Server::builder(env!("CARGO_BIN_EXE_rust-nix-serve"))
}

/// The program serving a store, signing with [`SECRET_KEY`].
pub(crate) fn serve(store: &FixtureStore) -> Server {
    server().store(store).keys([SECRET_KEY]).start()
}

/// Writes a key file as its owner should.
pub(crate) fn write_key(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Where the narinfo of a path is.
pub(crate) fn narinfo_of(path: &StorePath) -> String {
    format!("/{}.narinfo", path.hash_part())
}

/// Where the NAR of a path is, as its narinfo says.
pub(crate) fn nar_of(server: &Server, path: &StorePath) -> String {
    let answer = server.get(&narinfo_of(path));
    answer.ok();
    format!("/{}", field(&answer, "URL").unwrap())
}

/// The value of a field that a narinfo (or `nix-cache-info`) has at most once.
pub(crate) fn field<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let values = fields(answer, name);
    assert!(values.len() < 2, "{name} is there more than once:\n{}", answer.text());
    values.first().copied()
}

/// Every value of a field.
pub(crate) fn fields<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    let named =
        answer.text().lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    named.collect()
}

/// `sha256:` and the nix32 digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256Digest::of(bytes).to_string()
}

/// The headers of an answer, sorted, without the one that differs between two equal answers.
pub(crate) fn without_date(answer: &Response) -> Vec<(String, String)> {
    let headers =
        answer.head.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut headers: Vec<_> = headers.filter(|(name, _)| name != "date").collect();
    headers.sort();
    headers
}

/// That an answer refuses something with a few words that tell nothing about this machine.
#[track_caller]
pub(crate) fn assert_refusal(answer: &Response, status: u16) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert!(answer.body.len() < 1024, "{} bytes of error", answer.body.len());
    let text = answer.text();
    for secret in ["/nix", "/tmp", "db.sqlite", "os error", "panicked", ".rs:"] {
        assert!(!text.contains(secret), "{text:?} tells of {secret}");
    }
}

/// Whether a program is there; says so when not.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        eprintln!("skipped: {program} is not installed (tests/run installs it)");
    }
    found
}

/// Whether the large forms of tests are wanted (`RNS_FULL=1`).
pub(crate) fn is_full() -> bool {
    std::env::var_os("RNS_FULL").is_some_and(|value| value == "1")
}

/// The number in an environment variable.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

/// How often a test does something: as this variable says, else `full` times in its large form, and `few` times otherwise.
pub(crate) fn times(variable: &str, few: u64, full: u64) -> u64 {
    number(variable).unwrap_or_else(|| if is_full() { full } else { few })
}

/// That a program that was started ends with a failure and says this.
#[track_caller]
pub(crate) fn assert_refuses_to_start(process: &mut Process, complaint: &str) {
    assert!(!process.wait(Duration::from_secs(120)).success());
    // Another thread collects its output, which may be a moment behind.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !process.stderr().contains(complaint) {
        assert!(Instant::now() < deadline, "{complaint:?} is not in\n{}", process.stderr());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Every real Nix that is installed.
pub(crate) fn nixes() -> impl Iterator<Item = Nix> {
    [Nix::v2_8(), Nix::v2_34()].into_iter().flatten()
}

/// The full path of a store path.
pub(crate) fn full(path: &StorePath) -> String {
    format!("/nix/store/{path}")
}

/// Waits up to ten seconds for something to become true.
#[track_caller]
pub(crate) fn eventually(condition: impl FnMut() -> bool) {
    within(Duration::from_secs(10), condition);
}

/// Waits for so long at most for something to become true.
#[track_caller]
pub(crate) fn within(limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// That the log of a server says something, now or in a moment.
#[track_caller]
pub(crate) fn assert_logged(server: &Server, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !server.stderr().contains(text) {
        assert!(Instant::now() < deadline, "{text:?} is not in the log:\n{}", server.stderr());
        thread::sleep(Duration::from_millis(10));
    }
}
