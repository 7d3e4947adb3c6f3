//! Pushes into the store of the machine, through a real Nix daemon.

mod clients;
mod disk_room;
mod keeping;
mod objects;
mod roots;
mod trust;

use std::{fs, path::PathBuf};

use rns_formats::{Compression, NarInfo, StorePath};
use rns_testing::{
    Client, Nix, Process, Scratch, Server, Standard,
    http::{Request, Response},
};

use crate::support::{
    SECRET_KEY, eventually, full,
    private::{create, with_token},
    server,
};
use crate::uploads::{packed, text_of};

/// A machine whose store takes pushes: store, daemon, and the files that a server of it keeps over a restart.
struct Machine {
    client: Client,
    token: String,
    tokens: PathBuf,
    scratch: Scratch,
    _daemon: Process,
}

impl Machine {
    /// With this Nix, whose daemon trusts all users.
    fn new(nix: &Nix) -> Self {
        Self::with_options(nix, &[("trusted-users", "*")])
    }

    fn with_options(nix: &Nix, options: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let client = nix.client();
        let client =
            options.iter().fold(client, |client, (name, value)| client.option(name, *value));
        client.run("nix-store", ["--init"]).success();
        let socket = scratch.join("daemon");
        let mut command = client.command("nix-daemon");
        let daemon = Process::start(command.env("NIX_DAEMON_SOCKET_PATH", &socket));
        eventually(|| std::os::unix::net::UnixStream::connect(&socket).is_ok());
        let tokens = scratch.join("tokens");
        let token = create(&tokens, "ci", &["--allow", "read,push"]);
        Self { client, token, tokens, scratch, _daemon: daemon }
    }

    /// A server of its store, which keeps pushed paths for `roots`.
    fn server(&self, upload: &str, more: &str) -> Server {
        let (tokens, spool) = (&self.tokens, self.spool());
        let sections = format!(
            "[upload]\ntarget = \"nix-store\"\nspool_directory = {spool:?}\n{upload}\n\
             [access]\ntokens = {tokens:?}\nanonymous = [\"read\", \"metrics\"]\n{more}"
        );
        let server = server()
            .store_root(self.client.root())
            .store_key("daemon_socket", self.scratch.join("daemon").to_str().unwrap())
            .keys([SECRET_KEY])
            .section(&sections)
            .start();
        // Until policies are evaluated pushers are told to come back.
        eventually(|| server.get("/readyz").status() == 200);
        server
    }

    fn spool(&self) -> PathBuf {
        self.scratch.join("spool")
    }

    fn spooled(&self) -> usize {
        fs::read_dir(self.spool())
            .unwrap()
            .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().contains(".nar"))
            .count()
    }

    /// Where all roots are.
    fn root_directory(&self) -> PathBuf {
        self.client.root().join("nix/var/nix/gcroots/rust-nix-serve")
    }

    /// Where the roots of the paths are that the token pushed.
    fn roots(&self) -> PathBuf {
        self.root_directory().join("pushed/token+ci")
    }

    fn is_valid(&self, path: &StorePath) -> bool {
        let checked = self.client.run("nix-store", ["--check-validity", &full(path)]);
        checked.status.success()
    }

    fn collect_garbage(&self) {
        self.client.run("nix-store", ["--gc"]).success();
    }

    fn send(&self, server: &Server, request: Request) -> Response {
        server.connect().send(&with_token(request, &self.token))
    }

    fn put(&self, server: &Server, target: &str, body: impl Into<Vec<u8>>) -> Response {
        self.send(server, Request::new("PUT", target).body(body))
    }

    fn put_narinfo(&self, server: &Server, narinfo: &NarInfo) -> Response {
        let target = format!("/push/{}.narinfo", narinfo.store_path.hash_part());
        self.put(server, &target, text_of(narinfo))
    }

    /// Uploads the NAR of a path, and returns its narinfo.
    fn put_nar(&self, server: &Server, standard: &Standard, path: &StorePath) -> NarInfo {
        let (narinfo, file) =
            packed(standard.store.info(path), &standard.store.nar(path), Compression::Zstd);
        assert_eq!(self.put(server, &format!("/push/{}", narinfo.url), file).status(), 201);
        narinfo
    }

    /// Uploads a path as a client does.
    fn push(&self, server: &Server, standard: &Standard, path: &StorePath) -> NarInfo {
        let narinfo = self.put_nar(server, standard, path);
        assert_eq!(self.put_narinfo(server, &narinfo).status(), 201, "{path}");
        narinfo
    }

    /// The push address with the token in it.
    fn url(&self, server: &Server) -> String {
        let url = format!("{}/push", server.url());
        url.replace("://", &format!("://ci:{}@", self.token))
    }
}
