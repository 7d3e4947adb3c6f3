//! Pushing through nginx, with the configuration that `docs/push.md` has.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use rns_formats::Compression;
use rns_testing::{Process, Scratch, Standard, run};

use crate::{
    support::{eventually, full, is_installed, narinfo_of, nginx::nginx_temporary, nixes},
    uploads::{Pushable, packed},
};

/// The blocks of nginx's configuration in the document.
fn documented() -> [String; 3] {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/push.md");
    let text = fs::read_to_string(file).unwrap();
    let blocks = text.split("```nginx\n").skip(1);
    let blocks: Vec<_> = blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    blocks.try_into().unwrap()
}

/// nginx in front of a server.
struct Front {
    _nginx: Process,
    scratch: Scratch,
    port: u16,
}

impl Front {
    fn of(cache: &Pushable) -> Self {
        let scratch = Scratch::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let [bodies, map, locations] = documented();
        let proxy = "proxy_pass http://rust-nix-serve; proxy_http_version 1.1;
                     proxy_set_header Connection \"\"; proxy_set_header Host $host;";
        let configuration = format!(
            "daemon off; master_process off; pid {own}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 {temporary}
                 {map}
                 upstream rust-nix-serve {{ server {upstream}; keepalive 16; }}
                 server {{
                     listen 127.0.0.1:{port};
                     location / {{ {proxy} {bodies} }}
                     {locations}
                 }}
             }}",
            own = scratch.path().display(),
            temporary = nginx_temporary(scratch.path()),
            upstream = cache.server.address(),
            locations =
                locations.replace("auth_request", &format!("{proxy} {bodies} auth_request")),
        );
        let file = scratch.write("nginx.conf", configuration);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let nginx = Process::start(
            Command::new("nginx").env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]),
        );
        eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _nginx: nginx, scratch, port }
    }

    fn url(&self, user: &str) -> String {
        format!("http://{user}@127.0.0.1:{}", self.port)
    }
}

#[test]
fn real_nix_pushes_through_nginx() {
    if !is_installed("nginx") {
        return;
    }
    for nix in nixes() {
        for place in ["", "/push"] {
            let (standard, cache) = (Standard::new(), Pushable::new());
            let front = Front::of(&cache);
            let to =
                format!("{}{place}?compression=none", front.url(&format!("ci:{}", cache.token)));
            let client = nix.client().with_root(standard.store.root());
            let (itself, blob) = (full(&standard.itself), full(&standard.blob));
            client.nix_command(["copy", "--no-check-sigs", "--to", &to, &itself, &blob]).success();
            for path in [&standard.itself, &standard.blob] {
                assert_eq!(cache.server.get(&narinfo_of(path)).status(), 200);
            }
        }
    }
}

#[test]
fn a_body_that_nginx_would_take_is_not_sent_without_a_token() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (standard, cache) = (Standard::new(), Pushable::new());
    let front = Front::of(&cache);
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, _) = packed(standard.store.info(&standard.blob), &nar, Compression::None);
    let body = front.scratch.write("body", &nar);
    let sent = |user: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}"]);
        curl.args(["-H", "Expect: 100-continue", "--expect100-timeout", "30", "-T"]);
        curl.arg(&body).arg(format!("{}/push/{}", front.url(user), narinfo.url));
        run(&mut curl, Duration::from_secs(120)).text().trim().to_owned()
    };
    assert_eq!(sent("ci:wrong"), "401 0");
    assert_eq!(sent(&format!("ci:{}", cache.token)), format!("201 {}", nar.len()));
}
