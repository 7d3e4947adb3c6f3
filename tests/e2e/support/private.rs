//! A cache that only the holders of tokens may read: the set-up of its tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rns_testing::{
    Client, FixtureStore, Nix, Server, ServerBuilder, Standard,
    http::{Request, Response},
};

use crate::support::{PUBLIC_KEY, SECRET_KEY, server};

/// A token that no server knows.
pub(crate) const UNKNOWN: &str = "rns_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A private cache, and a token that reads it.
pub(crate) struct Private {
    pub(crate) standard: Standard,
    pub(crate) server: Server,
    pub(crate) file: PathBuf,
    pub(crate) token: String,
}

impl Private {
    pub(crate) fn new() -> Self {
        Self::with("anonymous = []\nfailure_delay = \"0s\"")
    }

    /// With these lines in the section `[access]`.
    pub(crate) fn with(access: &str) -> Self {
        let standard = Standard::new();
        let (builder, file) = private(&standard.store, access);
        let token = create(&file, "reader", &[]);
        Self { server: builder.start(), standard, file, token }
    }

    /// The answer to a request with the token.
    pub(crate) fn send(&self, request: Request) -> Response {
        self.server.connect().send(&with_token(request, &self.token))
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.send(Request::get(target))
    }
}

/// A server that knows the tokens of a file, and that file, which is not there yet.
pub(crate) fn private(store: &FixtureStore, access: &str) -> (ServerBuilder, PathBuf) {
    let builder = server().store(store).keys([SECRET_KEY]);
    let file = builder.scratch().join("tokens");
    let section = format!("[access]\ntokens = {file:?}\n{access}");
    (builder.section(&section), file)
}

/// Runs `rust-nix-serve token` on this file.
pub(crate) fn token_command(command: &str, file: &Path, more: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    program.args(["token", command, "--file"]).arg(file).args(more);
    rns_testing::run(&mut program, Duration::from_secs(120)).success().text().trim().to_owned()
}

/// Makes a token in this file, and returns it.
pub(crate) fn create(file: &Path, name: &str, more: &[&str]) -> String {
    let arguments: Vec<&str> = [name].iter().chain(more).copied().collect();
    token_command("create", file, &arguments)
}

/// Adds a token that has ended, and returns it.
pub(crate) fn create_expired(file: &Path, name: &str) -> String {
    let token = create(file, name, &[]);
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    let expires = line.split(' ').find(|word| word.starts_with("expires=")).unwrap();
    let over = line.replace(expires, "expires=2001-01-01T00:00:00Z");
    fs::write(file, text.replace(line, &over)).unwrap();
    token
}

/// The header that a client with a netrc file sends.
pub(crate) fn basic(login: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{login}:{password}")))
}

pub(crate) fn with_token(request: Request, token: &str) -> Request {
    request.header("Authorization", basic("reader", token))
}

/// The answer to `GET` with a token.
pub(crate) fn get_with(server: &Server, token: &str, target: &str) -> Response {
    server.connect().send(&with_token(Request::get(target), token))
}

/// A client whose netrc file has this password for the cache.
pub(crate) fn client_with_token(nix: &Nix, url: &str, password: &str) -> Client {
    let client = nix.client();
    let line = format!("machine 127.0.0.1 login reader password {password}\n");
    let netrc = client.scratch().write("netrc", line);
    client.substituting_from(url, PUBLIC_KEY).option("netrc-file", netrc.to_str().unwrap())
}
