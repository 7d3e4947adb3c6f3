//! Large NARs that clients send to the bucket themselves.

use std::{path::PathBuf, process::Command, time::Duration};

use rns_formats::{Compression, NarInfo, StorePath};
use rns_testing::{
    S3Server, Scratch, Server, Standard,
    http::{Connection, Request, Response},
    run,
};

use super::{packed, reload::reload_server, text_of};
use crate::support::{
    PUBLIC_KEY, SECRET_KEY, full, narinfo_of, nixes,
    private::{create, with_token},
    server,
    tls::{given, speaking_tls},
};

/// The `User-Agent` of a client that can send a body again.
const AGENT: &str = "curl/8.14.1 Nix/2.34.8";

/// A server whose bucket clients send NARs to, from some KiB on.
struct Direct {
    server: Server,
    token: String,
    bucket: S3Server,
    state: Scratch,
}

impl Direct {
    fn start(over_tls: bool) -> Option<Self> {
        let bucket = S3Server::start()?;
        let state = Scratch::new();
        let builder = if over_tls { speaking_tls("issuer.crt", "issuer.key") } else { server() };
        let builder = builder.keys([SECRET_KEY]).store_flag("enabled", false);
        let tokens = builder.scratch().join("tokens");
        let token = create(&tokens, "ci", &["--allow", "push"]);
        let server = builder
            .section(&format!("[storage]\nurl = {:?}", bucket.url()))
            .section("[upload]\ndirect = true\ndirect_min_size = \"4KiB\"")
            .section(&format!("[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]"))
            .env("AWS_SHARED_CREDENTIALS_FILE", bucket.credentials_file().to_str().unwrap())
            .env("STATE_DIRECTORY", state.path().to_str().unwrap())
            .start();
        Some(Self { server, token, bucket, state })
    }

    fn put(&self, target: &str, agent: &str, body: impl Into<Vec<u8>>) -> Response {
        let request = Request::new("PUT", target).header("User-Agent", agent).body(body);
        self.server.connect().send(&with_token(request, &self.token))
    }

    fn put_narinfo(&self, narinfo: &NarInfo) -> Response {
        let target = narinfo_of(&narinfo.store_path);
        self.put(&target, AGENT, text_of(narinfo))
    }

    /// Where the client is to send this NAR.
    fn location(&self, narinfo: &NarInfo, file: &[u8]) -> String {
        let answer = self.put(&format!("/{}", narinfo.url), AGENT, file);
        assert_eq!(answer.status(), 307, "{answer:?}");
        answer.header("Location").unwrap().to_owned()
    }

    /// Sends a body to a URL of the bucket, as a client does that was redirected there.
    fn send_to_bucket(&self, location: &str, body: &[u8]) -> u16 {
        let (authority, target) =
            location.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let request = Request::new("PUT", format!("/{target}")).host(authority).body(body);
        Connection::tcp(authority.parse().unwrap()).send(&request).status()
    }

    /// The objects in the bucket that no reader is sent to.
    fn incoming(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.bucket.directory().join("incoming")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

fn blob(standard: &Standard) -> (NarInfo, Vec<u8>) {
    let (info, nar) = (standard.store.info(&standard.blob), standard.store.nar(&standard.blob));
    packed(info, &nar, Compression::Zstd)
}

#[test]
fn nix_sends_large_nars_to_the_bucket_and_others_read_them() {
    for nix in nixes() {
        for over_tls in [false, true] {
            let Some(direct) = Direct::start(over_tls) else { return };
            let standard = Standard::new();
            let paths: [&StorePath; 3] = [&standard.itself, &standard.blob, &standard.tree];
            let names: Vec<String> = paths.iter().map(|path| full(path)).collect();
            let authority = given("issuer-ca.crt");
            let authority = authority.to_str().unwrap();
            let to = direct.server.url().replace("://", &format!("://ci:{}@", direct.token));
            let to = format!("{}?compression=none", to.trim_end_matches('/'));
            let client = nix.client().with_root(standard.store.root());
            let client = client.env("NIX_SSL_CERT_FILE", authority);
            let arguments = ["copy", "-vvvvv", "--no-check-sigs", "--to", &to].map(str::to_owned);
            let said = client.nix_command(arguments.into_iter().chain(names.clone())).success();
            let redirect = if over_tls { "HTTP/2 307" } else { "HTTP/1.1 307" };
            let is_old = nix.version.starts_with("2.8");
            assert_eq!(said.stderr.contains(redirect), !is_old, "{}", said.stderr);
            assert_eq!(direct.incoming(), Vec::<PathBuf>::new());
            let reader = nix.client().option("trusted-public-keys", PUBLIC_KEY);
            let reader = reader.env("NIX_SSL_CERT_FILE", authority);
            let from = ["copy", "--from", direct.server.url()].map(str::to_owned);
            reader.nix_command(from.into_iter().chain(names)).success();
            for path in paths {
                let real = reader.real_path(path.as_str());
                assert!(reader.dump(&real) == standard.store.nar(path), "{path}");
            }
        }
    }
}

#[test]
fn what_was_sent_to_the_bucket_is_no_nar_before_it_was_verified() {
    let Some(direct) = Direct::start(false) else { return };
    let standard = Standard::new();
    let (narinfo, file) = blob(&standard);
    let nar = format!("/{}", narinfo.url);
    // The whole body comes all the same, and is not looked at.
    let location = direct.location(&narinfo, &file);
    assert_eq!(direct.incoming(), Vec::<PathBuf>::new());
    assert_eq!(direct.put_narinfo(&narinfo).status(), 409, "nothing was sent there");

    assert_eq!(direct.send_to_bucket(&location, &file), 200);
    let key = location.split_once("/cache/").unwrap().1.split_once('?').unwrap().0;
    for target in [&nar, &format!("/{key}"), &format!("/nar/{key}")] {
        assert_eq!(direct.server.get(target).status(), 404, "{target}");
        assert_eq!(direct.server.head(target).status(), 404, "{target}");
    }
    assert_eq!(direct.server.get(&narinfo_of(&standard.blob)).status(), 404);

    assert_eq!(direct.put_narinfo(&narinfo).status(), 201);
    assert_eq!(direct.incoming(), Vec::<PathBuf>::new());
    assert!(direct.server.get(&nar).ok() == file);
    // The URL is good for a while, and for no object that clients read.
    assert_eq!(direct.send_to_bucket(&location, b"something else"), 200);
    assert!(direct.server.get(&nar).ok() == file);
    assert_eq!(direct.put_narinfo(&narinfo).status(), 200);
    // A present NAR is not sent once more.
    assert_eq!(direct.put(&nar, AGENT, file).status(), 201);
}

#[test]
fn a_wrong_body_is_refused_with_its_narinfo_and_removed() {
    let Some(direct) = Direct::start(false) else { return };
    let standard = Standard::new();
    let (narinfo, file) = blob(&standard);
    let mut altered = file.clone();
    altered[file.len() / 2] ^= 1;
    let other = packed(
        standard.store.info(&standard.dep),
        &standard.store.nar(&standard.dep),
        Compression::Zstd,
    );
    for wrong in [&altered[..], &file[..file.len() - 1], &other.1, b""] {
        let location = direct.location(&narinfo, &file);
        assert_eq!(direct.send_to_bucket(&location, wrong), 200);
        let refused = direct.put_narinfo(&narinfo);
        assert_eq!(refused.status(), 400, "{} bytes: {}", wrong.len(), refused.text());
        assert_eq!(direct.incoming(), Vec::<PathBuf>::new());
        assert_eq!(direct.server.get(&format!("/{}", narinfo.url)).status(), 404);
    }
    // A wrong one does not stand in the way of a right one.
    let locations = [0, 1].map(|_| direct.location(&narinfo, &file));
    assert_eq!(direct.send_to_bucket(&locations[0], &altered), 200);
    assert_eq!(direct.send_to_bucket(&locations[1], &file), 200);
    assert_eq!(direct.put_narinfo(&narinfo).status(), 201);
    assert_eq!(direct.incoming(), Vec::<PathBuf>::new());
    assert!(direct.server.get(&format!("/{}", narinfo.url)).ok() == file);
}

#[test]
fn clients_are_redirected_before_they_send_anything_and_only_those_that_can_follow() {
    let Some(direct) = Direct::start(false) else { return };
    let standard = Standard::new();
    let (narinfo, file) = blob(&standard);
    let target = format!("/{}", narinfo.url);
    let first_status = |agent: &str, length: usize, token: &str| {
        let request = Request::new("PUT", &target).header("Content-Length", length.to_string());
        let request = request.header("User-Agent", agent).header("Expect", "100-continue");
        let mut connection = direct.server.connect();
        connection.send_raw(&with_token(request, token).to_bytes());
        connection.read_head().unwrap().status
    };
    assert_eq!(first_status(AGENT, file.len(), &direct.token), 307);
    assert_eq!(first_status(AGENT, file.len(), crate::support::private::UNKNOWN), 401);
    assert_eq!(first_status(AGENT, 1000, &direct.token), 100, "it is small");
    for agent in ["curl/7.85.0 Nix/2.8.0", "curl/8.14.1", "Lix/2.94.0"] {
        assert_eq!(first_status(agent, file.len(), &direct.token), 100, "{agent}");
    }
    // One whose body has begun to come.
    let request = Request::new("PUT", &target).header("User-Agent", AGENT).body(&file[..]);
    let bytes = with_token(request, &direct.token).to_bytes();
    let mut connection = direct.server.connect();
    connection.send_raw(&bytes[..bytes.len() / 2]);
    let head = connection.read_head().unwrap();
    assert_eq!(head.status, 307);
    assert!(head.header("Location").unwrap().contains("X-Amz-Signature"));
    // The client never comes: nothing stays, and the ordinary way is open to others.
    assert_eq!(direct.incoming(), Vec::<PathBuf>::new());
    assert_eq!(direct.put(&target, "curl/7.85.0 Nix/2.8.0", file).status(), 201);
    assert_eq!(direct.put_narinfo(&narinfo).status(), 201);
}

#[test]
fn what_never_got_a_narinfo_is_removed_after_a_day() {
    let Some(direct) = Direct::start(false) else { return };
    let (narinfo, file) = blob(&Standard::new());
    let locations = [0, 1].map(|_| direct.location(&narinfo, &file));
    for location in &locations {
        assert_eq!(direct.send_to_bucket(location, &file), 200);
    }
    let files = direct.incoming();
    assert_eq!(files.len(), 2);
    let mut age = Command::new("touch");
    age.args(["-d", "25 hours ago"]).arg(&files[0]);
    run(&mut age, Duration::from_secs(60)).success();
    let mut verify = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    verify.args(["storage", "verify", "--repair", "--storage", &direct.bucket.url()]);
    verify.env("AWS_SHARED_CREDENTIALS_FILE", direct.bucket.credentials_file());
    verify.env("STATE_DIRECTORY", direct.state.path());
    run(&mut verify, Duration::from_secs(120)).success();
    assert_eq!(direct.incoming(), files[1..]);
    // The other one is as good as before.
    assert_eq!(direct.put_narinfo(&narinfo).status(), 201);
}

#[test]
fn a_nar_that_was_sent_to_the_bucket_before_a_reload_is_taken_in_after_it() {
    let Some(mut direct) = Direct::start(false) else { return };
    let (narinfo, file) = blob(&Standard::new());
    let location = direct.location(&narinfo, &file);
    assert_eq!(direct.send_to_bucket(&location, &file), 200);
    reload_server(&mut direct.server, "direct = true", "direct = false");
    assert_eq!(direct.put_narinfo(&narinfo).status(), 201);
    let nar = format!("/{}", narinfo.url);
    assert_eq!(direct.server.get(&nar).ok(), file);
    // Readers are sent to the bucket as soon as that is wanted.
    let storage = format!("url = {:?}", direct.bucket.url());
    reload_server(&mut direct.server, &storage, &format!("{storage}\nredirect = true"));
    assert_eq!(direct.server.get(&nar).status(), 307);
    // Others are taken here from now on.
    let (other, file) = {
        let standard = Standard::new();
        let (info, nar) = (standard.store.info(&standard.blob), standard.store.nar(&standard.blob));
        packed(info, &nar, Compression::None)
    };
    assert_eq!(direct.put(&format!("/{}", other.url), AGENT, file).status(), 201);
}
