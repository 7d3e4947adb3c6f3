//! Set-ups with which nothing is wrong.

use rns_testing::{FixtureStore, S3Server, Standard, Tree};

use super::{Diagnosis, Doctor};
use crate::support::{
    PUBLIC_KEY, SECRET_KEY, certificates, is_installed,
    nginx::Front,
    private::Private,
    serve, server,
    tls::{given, speaking_tls},
};

/// The checks of every cache, by a machine that names its key.
const ALWAYS: [&str; 13] = [
    "addresses",
    "nix-cache-info",
    "credential",
    "clock",
    "keep-alive",
    "path",
    "signature",
    "head",
    "query",
    "nar",
    "ranges",
    "trusted-users",
    "disk-cache",
];

/// That nothing is wrong, as all these checks and these further ones have seen.
#[track_caller]
fn assert_healthy(diagnosis: &Diagnosis, more: &[&str]) {
    diagnosis.is_silent();
    diagnosis.saw(&[&ALWAYS, more].concat());
}

#[test]
fn a_server_of_its_own() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let doctor = Doctor::of(server.url()).store(standard.store.root());
    assert_healthy(&doctor.args(["--key", PUBLIC_KEY]).run(), &[]);
}

#[test]
fn keys_that_nix_conf_trusts_suffice() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let conf = format!(
        "extra-substituters = {}\nextra-trusted-public-keys = {PUBLIC_KEY}\n",
        server.url()
    );
    let doctor = Doctor::of(server.url()).store(standard.store.root()).nix_conf(&conf);
    assert_healthy(&doctor.run(), &[]);
}

#[test]
fn a_server_behind_nginx() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let front = Front::start(&server.address().to_string(), server.scratch().path());
    let doctor = Doctor::of(&format!("http://127.0.0.1:{}", front.port));
    assert_healthy(&doctor.store(standard.store.root()).args(["--key", PUBLIC_KEY]).run(), &[]);
}

#[test]
fn a_private_cache() {
    let private = Private::new();
    let doctor = Doctor::of(private.server.url()).store(private.standard.store.root());
    let line = format!("machine 127.0.0.1 login reader password {}\n", private.token);
    let netrc = doctor.scratch.write("netrc", line);
    crate::support::write_key(&netrc, &std::fs::read_to_string(&netrc).unwrap());
    assert_healthy(&doctor.args(["--key", PUBLIC_KEY]).run(), &["netrc"]);
}

#[test]
fn a_cache_in_a_bucket() {
    let Some(s3) = S3Server::start() else { return };
    let standard = Standard::new();
    let server = server()
        .keys([SECRET_KEY])
        .store_flag("enabled", false)
        .section(&format!("[storage]\nurl = {:?}", s3.url()))
        .env("AWS_SHARED_CREDENTIALS_FILE", s3.credentials_file().to_str().unwrap());
    let tokens = server.scratch().join("tokens");
    let token = crate::support::private::create(&tokens, "ci", &["--allow", "push"]);
    // Else it would be that of the machine.
    let index = tokens.with_file_name("index.sqlite");
    let access = format!(
        "[access]\ntokens = {tokens:?}\nanonymous = [\"read\", \"metrics\"]\n[index]\nurl = \"sqlite://{}\"",
        index.display()
    );
    let server = server.section(&access).start();
    push(&standard, server.url(), &token);
    let token_file = server.scratch().write("token", &token);
    let doctor = Doctor::of(server.url()).store(standard.store.root());
    let doctor = doctor.args(["--key", PUBLIC_KEY, "--push", "--token-file"]).arg(token_file);
    assert_healthy(&doctor.run(), &["uploads"]);
}

/// Pushes everything that is whole.
pub(super) fn push(standard: &Standard, url: &str, token: &str) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.env("RUST_NIX_SERVE_TOKEN", token).args(["push", "--to", url, "--store"]);
    command.arg(standard.store.root()).arg(standard.itself.as_str());
    rns_testing::run(&mut command, std::time::Duration::from_secs(120)).success();
}

#[test]
fn a_server_that_speaks_https() {
    let standard = Standard::new();
    let server =
        speaking_tls("issuer.crt", "issuer.key").store(&standard.store).keys([SECRET_KEY]).start();
    let doctor = Doctor::of(server.url()).env("NIX_SSL_CERT_FILE", given("issuer-ca.crt"));
    assert_healthy(
        &doctor.store(standard.store.root()).args(["--key", PUBLIC_KEY]).run(),
        &["tls", "http2"],
    );
}

#[test]
fn a_chroot_store_with_a_directory_of_its_own() {
    let mut store = FixtureStore::with_store_dir("/srv/nix/store");
    store.add("tool", Tree::file("contents"));
    let server = serve(&store);
    let root = format!("local?root={}", store.root().display());
    let doctor = Doctor::of(server.url()).args(["--store", &root]);
    let doctor = doctor.env("NIX_STORE_DIR", "/srv/nix/store");
    assert_healthy(&doctor.args(["--key", PUBLIC_KEY]).run(), &[]);
}

#[test]
fn a_cache_below_a_path() {
    let standard = Standard::new();
    let server = server()
        .store(&standard.store)
        .keys([SECRET_KEY])
        .section("[expose]\neverything = true\n[cache.team]\npath = \"/team\"\nexpose.everything = true\naccess.anonymous = [\"read\"]")
        .start();
    let doctor = Doctor::of(&format!("{}/team", server.url())).store(standard.store.root());
    assert_healthy(&doctor.args(["--key", PUBLIC_KEY]).run(), &[]);
}

#[test]
fn a_cache_that_wants_certificates() {
    let standard = Standard::new();
    let (certificate, key, ca) = (given("issuer.crt"), given("issuer.key"), given("ca.crt"));
    let tls = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nclient_ca = {ca:?}");
    let server = server().store(&standard.store).keys([SECRET_KEY]).listen(["tls://127.0.0.1:0"]);
    let server = server.section(certificates::RULES).section(&tls).start();
    let url = certificates::showing(server.url(), "ci");
    let doctor = Doctor::of(&url).env("NIX_SSL_CERT_FILE", given("issuer-ca.crt"));
    assert_healthy(
        &doctor.store(standard.store.root()).args(["--key", PUBLIC_KEY]).run(),
        &["tls", "http2"],
    );
}
