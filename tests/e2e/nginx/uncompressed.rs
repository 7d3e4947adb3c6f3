//! nginx in front, as a cache on the internet has it.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use rns_testing::{Process, Scratch, Server, Standard, http::Request};

use crate::support::{PUBLIC_KEY, eventually, full, is_installed, narinfo_of, nixes, serve};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls/one.key");

/// nginx with TLS and HTTP/2 before a server.
struct Front {
    _nginx: Process,
    _scratch: Scratch,
    plain: u16,
    tls: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Front {
    fn of(server: &Server) -> Option<Self> {
        if !is_installed("nginx") {
            return None;
        }
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("tmp")).unwrap();
        let (plain, tls) = (free_port(), free_port());
        let directory = scratch.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {directory}/tmp/{kind};\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {directory}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 {temporary}
                 upstream cache {{ server {upstream}; keepalive 16; }}
                 server {{
                     listen 127.0.0.1:{plain};
                     listen 127.0.0.1:{tls} ssl http2;
                     ssl_certificate {CERTIFICATE};
                     ssl_certificate_key {KEY};
                     location / {{
                         proxy_pass http://cache;
                         proxy_http_version 1.1;
                         proxy_set_header Connection \"\";
                         proxy_set_header Host $host;
                     }}
                 }}
             }}",
            upstream = server.address()
        );
        let file = scratch.write("nginx.conf", configuration);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let nginx = Process::start(
            Command::new("nginx").env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]),
        );
        eventually(|| std::net::TcpStream::connect(("127.0.0.1", tls)).is_ok());
        Some(Self { _nginx: nginx, _scratch: scratch, plain, tls })
    }
}

#[test]
fn real_nix_substitutes_through_nginx_with_tls() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let Some(front) = Front::of(&server) else { return };
        let url = format!("https://localhost:{}", front.tls);
        let client =
            nix.client().env("NIX_SSL_CERT_FILE", CERTIFICATE).substituting_from(&url, PUBLIC_KEY);
        let paths = [&standard.itself, &standard.blob, &standard.special, &standard.bytes];
        client.realise(paths.map(full)).success();
        for path in paths {
            assert!(
                client.dump(&client.real_path(path.as_str())) == standard.store.nar(path),
                "{path}"
            );
        }
    }
}

#[test]
fn nginx_passes_on_what_the_server_says() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let Some(front) = Front::of(&server) else { return };
    let address = ([127, 0, 0, 1], front.plain).into();
    let through = |request: &Request| rns_testing::http::Connection::tcp(address).send(request);
    let narinfo = through(&Request::get(narinfo_of(&standard.blob)));
    assert_eq!(narinfo.ok(), server.get(&narinfo_of(&standard.blob)).ok());
    let target = crate::support::nar_of(&server, &standard.blob);
    let whole = through(&Request::get(&target));
    assert!(whole.ok() == standard.store.nar(&standard.blob));
    assert_eq!(whole.head.content_length(), Some(whole.body.len() as u64));
    assert_eq!(whole.header("etag"), server.get(&target).header("etag"));
    let part = through(&Request::get(&target).header("Range", "bytes=1000000-"));
    assert!(part.status() == 206 && part.body == whole.body[1_000_000..]);
    assert_eq!(through(&Request::get("/00000000000000000000000000000000.narinfo")).status(), 404);
}

#[test]
fn a_download_that_fails_behind_nginx_is_not_a_whole_one() {
    let mut standard = Standard::new();
    let large = rns_testing::Tree::file(vec![7; 64 << 20]);
    let path = standard.store.add("large", large);
    let server = serve(&standard.store);
    let Some(front) = Front::of(&server) else { return };
    let target = crate::support::nar_of(&server, &path);
    let mut connection = rns_testing::http::Connection::tcp(([127, 0, 0, 1], front.plain).into());
    let (_, mut body) = connection.start(&Request::get(target));
    connection.read_body(&mut body, &mut [0; 1024]);
    let file = standard.store.real_path(&path);
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::File::options().write(true).open(file).unwrap().set_len(100).unwrap();
    let mut buffer = vec![0; 1 << 20];
    while connection.read_body(&mut body, &mut buffer) > 0 {}
    assert_eq!(body.ended(), Some(false));
    std::thread::sleep(Duration::from_millis(10));
}
