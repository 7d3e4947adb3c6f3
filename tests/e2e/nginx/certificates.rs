//! Client certificates, shown to nginx, which names their subjects.

use std::{net::TcpListener, process::Command};

use rns_testing::{
    Process, Scratch, Server, Standard,
    http::{Connection, Request},
};

use crate::support::nginx::nginx_temporary;
use crate::{
    support::certificates::{RULES, client, given, showing, status},
    support::{PUBLIC_KEY, SECRET_KEY, eventually, full, is_installed, server},
};

/// nginx with TLS before the socket of a server, configured as `docs/client-certificates.md` says.
struct Front {
    _nginx: Process,
    _scratch: Scratch,
    server: Server,
    url: String,
}

impl Front {
    fn of(standard: &Standard) -> Option<Self> {
        if !is_installed("nginx") || !is_installed("curl") {
            return None;
        }
        let scratch = Scratch::new();
        let socket = format!("unix:{}", scratch.join("nginx.sock").display());
        let server = server()
            .store(&standard.store)
            .keys([SECRET_KEY])
            .section(&format!("{RULES}[nginx]\nlisten = {socket:?}\n"))
            .listen(["127.0.0.1:0", &socket])
            .start();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = scratch.path().display();
        let temporary = nginx_temporary(scratch.path());
        let (certificate, key, ca) = (given("one.crt"), given("one.key"), given("ca.crt"));
        let configuration = format!(
            "daemon off; master_process off; pid {own}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 {temporary}
                 server {{
                     listen 127.0.0.1:{port} ssl;
                     ssl_certificate {certificate};
                     ssl_certificate_key {key};
                     ssl_client_certificate {ca};
                     ssl_verify_client optional;
                     proxy_http_version 1.1;
                     proxy_set_header Connection \"\";
                     proxy_set_header Host $host;
                     proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
                     proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
                     location / {{ proxy_pass http://{socket}:; }}
                 }}
             }}"
        );
        let file = scratch.write("nginx.conf", configuration);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let nginx = Process::start(
            Command::new("nginx").env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]),
        );
        eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let url = format!("https://localhost:{port}");
        Some(Self { _nginx: nginx, _scratch: scratch, server, url })
    }
}

#[test]
fn what_nginx_says_of_a_certificate_counts() {
    let standard = Standard::new();
    let Some(front) = Front::of(&standard) else { return };
    let url = format!("{}/nix-cache-info", front.url);
    assert_eq!(status(&url, Some("ci")), "200");
    assert_eq!(status(&url, Some("stranger")), "403");
    assert_eq!(status(&url, None), "401");
    assert_eq!(status(&url, Some("impostor")), "400", "nginx itself refuses it");
}

#[test]
fn nginx_replaces_what_a_client_says_of_itself() {
    let standard = Standard::new();
    let Some(front) = Front::of(&standard) else { return };
    let spoofed = |url: &str| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--noproxy", "*", "--output", "/dev/null", "--cacert"]);
        command.args([&given("one.crt"), "--write-out", "%{http_code}", url]);
        command.args(["--header", "X-SSL-Client-Verify: SUCCESS"]);
        command.args(["--header", "X-SSL-Client-S-DN: CN=ci,O=Ex\\C3\\A4mple\\, Inc."]);
        rns_testing::run(&mut command, std::time::Duration::from_secs(60)).text()
    };
    assert_eq!(spoofed(&format!("{}/nix-cache-info", front.url)), "401");
    // The listener beside it is not nginx's.
    assert_eq!(spoofed(&format!("{}/nix-cache-info", front.server.url())), "401");
    // Every process that can connect to the socket is nginx.
    let socket = front.server.urls()[1].trim_start_matches("unix:").to_owned();
    let claim = Request::get("/nix-cache-info")
        .header("X-SSL-Client-Verify", "SUCCESS")
        .header("X-SSL-Client-S-DN", "CN=ci,O=Ex\\C3\\A4mple\\, Inc.");
    Connection::unix(socket.as_ref()).send(&claim).ok();
}

#[test]
fn real_nix_shows_its_certificate_to_nginx() {
    let standard = Standard::new();
    let Some(front) = Front::of(&standard) else { return };
    for (certificate, reads) in [("ci", true), ("stranger", false)] {
        let Some(client) = client() else { return };
        let url = showing(&front.url, certificate);
        let client = client.substituting_from(&url, PUBLIC_KEY);
        let finished = client.realise([full(&standard.blob)]);
        assert_eq!(finished.status.success(), reads, "{}", finished.stderr);
    }
}
