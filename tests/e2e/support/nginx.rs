//! A real nginx.

use std::{net::TcpListener, path::Path, process::Command};

use rns_testing::{
    Process, Scratch,
    http::{Connection, Request, Response},
};

use super::eventually;

/// The lines that let an nginx of a test keep its temporary files below this directory.
pub(crate) fn nginx_temporary(own: &Path) -> String {
    let own = own.display();
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {own}/{kind};\n"))
        .concat()
}

/// nginx, configured as `docs/systemd-and-nginx.md` says.
pub(crate) struct Front {
    pub(crate) nginx: Process,
    pub(crate) port: u16,
    _scratch: Scratch,
}

impl Front {
    pub(crate) fn start(upstream: &str, directory: &Path) -> Self {
        let scratch = Scratch::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (own, cache) = (scratch.path().display(), directory.display());
        let temporary = nginx_temporary(scratch.path());
        let proxy =
            "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;
                     proxy_max_temp_file_size 0;";
        let configuration = format!(
            "daemon off; master_process off; pid {own}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log {own}/access.log; sendfile on;
                 {temporary}
                 upstream rust-nix-serve {{ server {upstream}; keepalive 16; }}
                 server {{
                     listen 127.0.0.1:{port};
                     location / {{
                         proxy_pass http://rust-nix-serve;
                         proxy_set_header X-Accel-Redirect \"\";
                         {proxy}
                     }}
                     location /nar-cache/ {{
                         internal;
                         alias {cache}/;
                         etag off;
                         if_modified_since off;
                         add_header ETag $upstream_http_etag;
                         add_header Last-Modified \"\";
                         error_page 404 = @rust-nix-serve;
                     }}
                     location @rust-nix-serve {{
                         proxy_pass http://rust-nix-serve$request_uri;
                         proxy_set_header X-Accel-Redirect off;
                         {proxy}
                     }}
                 }}
             }}"
        );
        let file = scratch.write("nginx.conf", configuration);
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let nginx = Process::start(
            Command::new("nginx").env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]),
        );
        eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { nginx, port, _scratch: scratch }
    }

    pub(crate) fn send(&self, request: &Request) -> Response {
        Connection::tcp(([127, 0, 0, 1], self.port).into()).send(request)
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }
}
