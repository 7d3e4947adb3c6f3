//! nginx and rust-nix-serve, each with the settings that are published with the results.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use crate::{process::Process, rows::tls::Certificate, store::Store};

/// A free port of loopback.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Whether a server listens.
pub(crate) fn listens(address: SocketAddr) -> Option<()> {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok().map(drop)
}

/// rust-nix-serve, not started yet.
pub(crate) struct RustNixServe {
    pub(crate) binary: PathBuf,
    pub(crate) address: SocketAddr,
    configuration: String,
    name: String,
    /// Listeners beside the address and the socket.
    listeners: Vec<String>,
}

impl RustNixServe {
    /// With the usual configuration, one key, and the store below `root`.
    pub(crate) fn new(binary: &Path, scratch: &Path, name: &str, root: &Path) -> Result<Self> {
        let mut own = Self::without_store(binary, scratch, name)?;
        own.section("[store]\ndaemon_socket = \"none\"");
        own.store_key("root", root);
        Ok(own)
    }

    /// With the usual configuration, one key, and a directory in the layout of a binary cache.
    pub(crate) fn of_storage(
        binary: &Path,
        scratch: &Path,
        name: &str,
        directory: &Path,
    ) -> Result<Self> {
        let mut own = Self::without_store(binary, scratch, name)?;
        let index = scratch.join(format!("{name}-index.sqlite"));
        own.section(&format!(
            "[store]\nenabled = false\n[storage]\nurl = \"file://{}\"\n[index]\nurl = \"sqlite://{}\"",
            directory.display(),
            index.display()
        ));
        Ok(own)
    }

    /// Acknowledges uploads only when they would survive a power loss.
    pub(crate) fn with_sync(&mut self) {
        self.configuration = self.configuration.replace("[storage]", "[storage]\nsync = true");
    }

    fn without_store(binary: &Path, scratch: &Path, name: &str) -> Result<Self> {
        let key = scratch.join("key");
        if !key.exists() {
            fs::write(&key, crate::store::key()?.to_secret_string().as_bytes())?;
            fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        let address = free_address()?;
        let mut own = Self {
            binary: binary.to_owned(),
            address,
            configuration: String::new(),
            name: name.to_owned(),
            listeners: Vec::new(),
        };
        own.section(&format!("[signing]\nkeys = [{key:?}]"));
        Ok(own)
    }

    /// Sets a path in the section `[store]`, as long as no other section was begun.
    pub(crate) fn store_key(&mut self, key: &str, path: &Path) {
        self.section(&format!("{key} = {path:?}"));
    }

    /// Adds lines to the configuration.
    pub(crate) fn section(&mut self, toml: &str) {
        self.configuration.push_str(toml);
        self.configuration.push('\n');
    }

    /// Listens at one more address.
    pub(crate) fn listen(&mut self, listener: &str) {
        self.listeners.push(listener.to_owned());
    }

    /// Compresses with zstd into `directory`.
    pub(crate) fn compressing(&mut self, directory: &Path) {
        self.section(&format!("[nar_cache]\ncompression = \"zstd\"\ndirectory = {directory:?}"));
    }

    /// Starts it, without waiting; `socket` is listened on beside the address.
    pub(crate) fn spawn(&self, scratch: &Path, socket: Option<&Path>) -> Result<Process> {
        let mut listen = vec![self.address.to_string()];
        listen.extend(socket.map(|socket| format!("unix:{}", socket.display())));
        listen.extend_from_slice(&self.listeners);
        let file = scratch.join(format!("{}.toml", self.name));
        fs::write(&file, format!("listen = {listen:?}\n{}", self.configuration))?;
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--config").arg(file).env_remove("NOTIFY_SOCKET");
        Process::start(&command, scratch.join(format!("{}.log", self.name)))
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&self, scratch: &Path, socket: Option<&Path>) -> Result<Process> {
        let mut process = self.spawn(scratch, socket)?;
        process.wait_for(|| listens(self.address))?;
        Ok(process)
    }
}

/// nginx with a server for each static cache, and one in front of rust-nix-serve.
pub(crate) struct Nginx {
    pub(crate) process: Process,
    /// Static, by compression.
    pub(crate) none: SocketAddr,
    pub(crate) zstd: SocketAddr,
    /// The same two with `open_file_cache`.
    pub(crate) none_open: SocketAddr,
    pub(crate) zstd_open: SocketAddr,
    /// Of a directory as `nix copy` writes it, which is filled later.
    pub(crate) files: SocketAddr,
    pub(crate) files_open: SocketAddr,
    /// Without compression and `tcp_nopush`.
    pub(crate) none_pushing: SocketAddr,
    /// In front of rust-nix-serve.
    pub(crate) front: SocketAddr,
}

/// The directory as `nix copy` writes it, in the scratch directory.
pub(crate) const FILES: &str = "files";

/// The settings that are the same in every row: see `docs/benchmarks.md`.
const FIXED: &str = "sendfile on; tcp_nopush on; access_log off;
    keepalive_requests 1000000000; keepalive_timeout 300s; default_type application/octet-stream;";

impl Nginx {
    pub(crate) fn start(
        scratch: &Path,
        store: &Store,
        upstream: &Path,
        nar_cache: &Path,
    ) -> Result<Self> {
        let mut servers = String::new();
        let mut add = |lines: String| -> Result<SocketAddr> {
            let address = free_address()?;
            servers += &format!("server {{ listen {address}; log_not_found off; {lines} }}\n");
            Ok(address)
        };
        let statics = |compression, open| {
            let root = store.statics(compression);
            format!("root {}; open_file_cache {open};", root.display())
        };
        let none = add(statics("none", "off"))?;
        let zstd = add(statics("zstd", "off"))?;
        let none_open = add(statics("none", "max=20000"))?;
        let zstd_open = add(statics("zstd", "max=20000"))?;
        let files_root = format!("root {};", scratch.join(FILES).display());
        let files = add(format!("{files_root} open_file_cache off;"))?;
        let files_open = add(format!("{files_root} open_file_cache max=20000;"))?;
        let none_pushing = add(statics("none", "off") + " tcp_nopush off;")?;
        let front = add(front(nar_cache))?;
        let servers = format!(
            "upstream rust-nix-serve {{ server unix:{}; keepalive 16; }} {servers}",
            upstream.display()
        );
        let process = start_nginx(scratch, "nginx", &servers, front)?;
        Ok(Self {
            process,
            none,
            zstd,
            none_open,
            zstd_open,
            files,
            files_open,
            none_pushing,
            front,
        })
    }
}

/// nginx that takes uploads into a directory, by WebDAV.
pub(crate) struct DavNginx {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) directory: PathBuf,
}

impl DavNginx {
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let (address, directory) = (free_address()?, scratch.join("dav"));
        fs::create_dir_all(&directory)?;
        // A narinfo is a file of its own name, and `nar/` comes with the first NAR.
        let server = format!(
            "server {{ listen {address}; log_not_found off; root {}; dav_methods PUT DELETE;
                create_full_put_path on; client_max_body_size 0; }}",
            directory.display()
        );
        let process = start_nginx(scratch, "dav-nginx", &server, address)?;
        Ok(Self { process, address, directory })
    }
}

/// nginx that serves the compressed static cache over TLS.
pub(crate) struct TlsNginx {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl TlsNginx {
    pub(crate) fn start(scratch: &Path, store: &Store, certificate: &Certificate) -> Result<Self> {
        let address = free_address()?;
        let server = format!(
            "server {{ listen {address} ssl http2; log_not_found off; root {};
                ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; }}",
            store.statics("zstd").display(),
            certificate.certificate.display(),
            certificate.key.display()
        );
        let process = start_nginx(scratch, "tls-nginx", &server, address)?;
        Ok(Self { process, address })
    }
}

/// Starts nginx with these servers, and waits until it listens.
fn start_nginx(scratch: &Path, name: &str, servers: &str, address: SocketAddr) -> Result<Process> {
    // Started by root, workers would otherwise be a user who may not read the caches.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let own = scratch.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {own}/{name}-{kind};"))
        .concat();
    let configuration = format!(
        "daemon off; {user} worker_processes 2; pid {own}/{name}.pid; error_log {own}/{name}.error;
         events {{ worker_connections 4096; }}
         http {{ {FIXED} {temporary} {servers} }}"
    );
    let file = scratch.join(format!("{name}.conf"));
    fs::write(&file, configuration)?;
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut command = Command::new("nginx");
    command.env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]);
    let mut process = Process::start(&command, scratch.join(format!("{name}.log")))?;
    process.wait_for(|| listens(address))?;
    process.wait_for_workers(2)?;
    Ok(process)
}

/// The locations of `docs/systemd-and-nginx.md`.
fn front(nar_cache: &Path) -> String {
    let proxy =
        "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;
        proxy_max_temp_file_size 0;";
    format!(
        "location / {{ proxy_pass http://rust-nix-serve; proxy_set_header X-Accel-Redirect \"\"; {proxy} }}
         location /nar-cache/ {{
             internal; alias {}/; etag off; if_modified_since off;
             add_header ETag $upstream_http_etag; add_header Last-Modified \"\";
             error_page 404 = @rust-nix-serve;
         }}
         location @rust-nix-serve {{
             proxy_pass http://rust-nix-serve$request_uri; proxy_set_header X-Accel-Redirect off; {proxy}
         }}",
        nar_cache.display()
    )
}
