//! Faults of proxies: real nginx, wrongly configured.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
};

use rns_testing::{Process, Scratch, Standard};

use super::{Diagnosis, Doctor, mending::with_directive};
use crate::{
    support::{
        PUBLIC_KEY, eventually, is_installed, nginx::nginx_temporary, private::Private, serve,
    },
    uploads::Pushable,
};

/// The lines of an nginx that differ from those of a good one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mistakes<'a> {
    /// Words of `listen` after the address.
    pub(crate) listen: &'a str,
    /// Lines of the server.
    pub(crate) server: &'a str,
    /// The part of the URL that is asked of the cache; `$request_uri`, unless it is given.
    pub(crate) target: &'a str,
    /// Lines in the location of the cache.
    pub(crate) location: &'a str,
}

/// An nginx that is wrongly configured.
pub(crate) struct WrongFront {
    _nginx: Process,
    _scratch: Scratch,
    pub(crate) url: String,
}

impl WrongFront {
    pub(crate) fn start(upstream: SocketAddr, location: &str) -> Self {
        Self::with(upstream, &Mistakes { location, ..Mistakes::default() })
    }

    pub(crate) fn with(upstream: SocketAddr, mistakes: &Mistakes<'_>) -> Self {
        let Mistakes { listen, server, target, location } = mistakes;
        let target = if target.is_empty() { "$request_uri" } else { target };
        let scratch = Scratch::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "daemon off; master_process off; pid {own}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 {temporary}
                 proxy_cache_path {own}/kept keys_zone=kept:1m;
                 server {{
                     listen 127.0.0.1:{port} {listen};
                     {server}
                     location / {{
                         proxy_pass http://{upstream}{target};
                         proxy_http_version 1.1;
                         {location}
                     }}
                 }}
             }}",
            own = scratch.path().display(),
            temporary = nginx_temporary(scratch.path()),
        );
        let file = scratch.write("nginx.conf", configuration);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let mut command = Command::new("nginx");
        command.env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]);
        let nginx = Process::start(&mut command);
        eventually(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _nginx: nginx, _scratch: scratch, url: format!("http://127.0.0.1:{port}") }
    }
}

/// A look at a good server through an nginx with these lines.
fn behind(location: &str) -> Option<Diagnosis> {
    behind_all(&Mistakes { location, ..Mistakes::default() })
}

fn behind_all(mistakes: &Mistakes<'_>) -> Option<Diagnosis> {
    is_installed("nginx").then(|| {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let front = WrongFront::with(server.address(), mistakes);
        let doctor = Doctor::of(&front.url).args(["--path", standard.executable.as_str()]);
        doctor.args(["--key", PUBLIC_KEY]).run()
    })
}

/// That an nginx with these lines has these faults one after the other, as each line that mends one is taken into it, and then
/// none.
#[track_caller]
fn assert_faults(look: fn(&str) -> Option<Diagnosis>, lines: &str, ids: &[&str]) {
    let mut lines = lines.to_owned();
    for id in ids {
        let Some(diagnosis) = look(&lines) else { return };
        diagnosis.names(&[id]);
        lines = with_directive(&lines, diagnosis.mend());
    }
    if let Some(diagnosis) = look(&lines) {
        diagnosis.is_silent();
    }
}

#[test]
fn a_proxy_that_strips_ranges() {
    assert_faults(behind, "proxy_set_header Range \"\";", &["range-ignored"]);
}

#[test]
fn a_proxy_that_goes_on_at_another_place() {
    let lines = "set $from \"\"; if ($http_range) { set $from \"bytes=1-\"; } proxy_set_header Range $from;";
    let Some(diagnosis) = behind(lines) else { return };
    diagnosis.names(&["range-wrong"]);
}

#[test]
fn a_proxy_that_takes_the_credential_away() {
    if !is_installed("nginx") {
        return;
    }
    let private = Private::new();
    let look = |location: &str| {
        let front = WrongFront::start(private.server.address(), location);
        let doctor = Doctor::of(&front.url).args(["--key", PUBLIC_KEY, "--token-file"]);
        doctor.arg(private.server.scratch().write("token", &private.token)).run()
    };
    let diagnosis = look("proxy_set_header Authorization \"\";");
    diagnosis.names(&["credential-refused"]);
    let (_, directive) = diagnosis.mend().split_once("nginx.conf: ").unwrap();
    look(directive).is_silent();
}

#[test]
fn a_proxy_that_loses_the_query() {
    let mistakes = Mistakes { target: "$uri", ..Mistakes::default() };
    let Some(diagnosis) = behind_all(&mistakes) else { return };
    diagnosis.names(&["query-lost"]);
    assert!(diagnosis.mend().contains("$request_uri"), "{}", diagnosis.mend());
}

#[test]
fn a_proxy_that_keeps_answers_by_their_path_alone() {
    let lines = "proxy_cache kept; proxy_cache_key $uri;";
    let Some(diagnosis) = behind(lines) else { return };
    diagnosis.names(&["query-lost"]);
    let Some(diagnosis) = behind("proxy_cache kept; proxy_cache_key $request_uri;") else { return };
    diagnosis.is_silent();
}

#[test]
fn a_foreign_cache_that_ignores_queries_is_no_fault() {
    // Its program is not known, so that it may be right.
    let mistakes = Mistakes {
        target: "$uri",
        location: "location = /version { return 404; }",
        ..Mistakes::default()
    };
    let Some(diagnosis) = behind_all(&mistakes) else { return };
    diagnosis.is_silent();
}

#[test]
fn a_proxy_that_compresses_nars() {
    let lines = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;";
    assert_faults(behind, lines, &["nar-recompressed"]);
}

#[test]
fn a_proxy_that_refuses_head() {
    let Some(diagnosis) =
        behind("limit_except PUT { deny all; } if ($request_method = HEAD) { return 405; }")
    else {
        return;
    };
    assert!(!diagnosis.ids().is_empty());
    let Some(diagnosis) = behind("if ($request_method = HEAD) { return 405; }") else { return };
    diagnosis.names(&["head-differs", "head-differs"]);
}

#[test]
fn a_proxy_that_closes_connections() {
    assert_faults(behind, "keepalive_timeout 0;", &["keep-alive-off"]);
}

/// A look, as one who pushes, through an nginx with these lines.
fn pushing_behind(lines: &str) -> Option<Diagnosis> {
    is_installed("nginx").then(|| {
        let (standard, cache) = (Standard::new(), Pushable::new());
        cache.push(&standard, &standard.executable);
        let front = WrongFront::start(cache.server.address(), lines);
        let token = cache.server.scratch().write("token", &cache.token);
        let doctor = Doctor::of(&front.url).args(["--path", standard.executable.as_str()]);
        doctor.args(["--key", PUBLIC_KEY, "--push", "--token-file"]).arg(token).run()
    })
}

#[test]
fn a_proxy_that_takes_a_megabyte() {
    let lines = "client_max_body_size 1m; proxy_request_buffering off;";
    assert_faults(pushing_behind, lines, &["proxy-body-limit"]);
    // An nginx without any setting for uploads.
    assert_faults(pushing_behind, "", &["proxy-body-limit", "proxy-buffers"]);
}

#[test]
fn a_proxy_that_stores_uploads_first() {
    assert_faults(pushing_behind, "client_max_body_size 0;", &["proxy-buffers"]);
}

#[test]
fn a_proxy_that_passes_uploads_on() {
    let lines = "client_max_body_size 0; proxy_request_buffering off;";
    let Some(diagnosis) = pushing_behind(lines) else { return };
    diagnosis.is_silent();
}

#[test]
fn a_clock_that_is_wrong() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let url = with_date(server.address(), "Date: Sat, 01 Jan 2000 00:00:00 GMT");
    let doctor = Doctor::of(&url).args(["--path", standard.executable.as_str()]);
    let diagnosis = doctor.args(["--key", PUBLIC_KEY]).run();
    diagnosis.names(&["clock-skew"]);
    let what = diagnosis.json["findings"][0]["what"].as_str().unwrap();
    assert!(what.ends_with(" days behind that of this machine"), "{what}");
    assert!(diagnosis.mend().starts_with("timedatectl set-ntp true"), "{}", diagnosis.mend());
}

/// A server whose answers have these lines for their date. Each connection carries one request.
pub(super) fn with_date(upstream: SocketAddr, lines: impl Into<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lines: Arc<str> = lines.into().into();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let lines = Arc::clone(&lines);
            thread::spawn(move || _ = pass(client, upstream, &lines));
        }
    });
    url
}

fn pass(mut client: TcpStream, upstream: SocketAddr, lines: &str) -> std::io::Result<()> {
    const NAME: &[u8] = b"\r\ndate: ";
    /// `Sat, 01 Jan 2000 00:00:00 GMT`
    const DATE_BYTES: usize = 29;
    let mut server = TcpStream::connect(upstream)?;
    let mut requests = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        _ = std::io::copy(&mut requests.0, &mut requests.1);
        _ = requests.1.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        // Every head of a small answer comes at once.
        let mut text = buffer[..length].to_vec();
        let at = text.windows(NAME.len()).position(|bytes| bytes.eq_ignore_ascii_case(NAME));
        if let Some(at) = at {
            let end = at + NAME.len() + DATE_BYTES;
            text.splice(at..end, format!("\r\n{lines}").into_bytes());
        }
        client.write_all(&text)?;
    }
    client.shutdown(Shutdown::Both)
}
