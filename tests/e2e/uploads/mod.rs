//! Pushes into a storage.

mod address;
mod clients;
mod direct;
mod expect;
mod hostile;
mod mutations;
mod objects;
pub(crate) mod reload;
mod roots;
mod threads;
mod transport;

use std::path::PathBuf;

use rns_formats::{Compression, NarInfo, NarName, PathInfo, Sha256Digest, Signature, StorePath};
use rns_testing::{
    Scratch, Server, ServerBuilder, Standard,
    http::{Request, Response},
};

use crate::support::{
    SECRET_KEY,
    private::{create, with_token},
    server,
};

/// A server with a storage that takes pushes from the holder of a token, and that all clients may read.
pub(crate) struct Pushable {
    pub(crate) server: Server,
    pub(crate) token: String,
    pub(crate) tokens: PathBuf,
    pub(crate) directory: PathBuf,
    _scratch: Scratch,
}

impl Pushable {
    /// A directory that nothing is in, alone.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// The same with more configuration.
    pub(crate) fn with(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let scratch = Scratch::new();
        let directory = scratch.join("cache");
        std::fs::create_dir(&directory).unwrap();
        let url = format!("file://{}", directory.display());
        let builder = server().keys([SECRET_KEY]).store_flag("enabled", false);
        let builder = builder.section(&format!("[storage]\nurl = {url:?}"));
        Self::start(change(builder), directory, scratch)
    }

    fn start(builder: ServerBuilder, directory: PathBuf, scratch: Scratch) -> Self {
        let tokens = builder.scratch().join("tokens");
        let token = create(&tokens, "ci", &["--allow", "push"]);
        let access = format!(
            "[access]\ntokens = {tokens:?}\nanonymous = [\"read\", \"metrics\"]\nfailure_delay = \"0s\""
        );
        let server = builder.section(&access).start();
        Self { server, token, tokens, directory, _scratch: scratch }
    }

    /// The URL of the cache with the token in it.
    pub(crate) fn url(&self) -> String {
        self.server.url().replace("://", &format!("://ci:{}@", self.token))
    }

    /// The answer to a request with the token.
    pub(crate) fn send(&self, request: Request) -> Response {
        self.server.connect().send(&with_token(request, &self.token))
    }

    pub(crate) fn put(&self, target: &str, body: impl Into<Vec<u8>>) -> Response {
        self.send(Request::new("PUT", target).body(body))
    }

    /// Uploads a NAR and its narinfo as a client does.
    pub(crate) fn push(&self, standard: &Standard, path: &StorePath) -> NarInfo {
        let (narinfo, file) =
            packed(standard.store.info(path), &standard.store.nar(path), Compression::Zstd);
        assert_eq!(self.put(&format!("/{}", narinfo.url), file).status(), 201);
        assert_eq!(self.put_narinfo(&narinfo).status(), 201, "{path}");
        narinfo
    }

    pub(crate) fn put_narinfo(&self, narinfo: &NarInfo) -> Response {
        let target = format!("/{}.narinfo", narinfo.store_path.hash_part());
        self.put(&target, text_of(narinfo))
    }
}

/// A narinfo as clients write it.
pub(crate) fn text_of(narinfo: &NarInfo) -> String {
    narinfo.write(&rns_formats::StoreDir::default())
}

/// The files that a client uploads for a path.
pub(crate) fn packed(info: &PathInfo, nar: &[u8], compression: Compression) -> (NarInfo, Vec<u8>) {
    let file = match compression {
        Compression::None => nar.to_vec(),
        Compression::Zstd => zstd::encode_all(nar, 3).unwrap(),
        other => panic!("{other}"),
    };
    let name = NarName::of_file(Sha256Digest::of(&file), compression);
    let facts = (Sha256Digest::of(&file).into(), file.len() as u64);
    let signatures: Vec<Signature> = info.signatures.clone();
    let narinfo =
        NarInfo::for_path(info, name.canonical_url(), compression, Some(facts), signatures);
    (narinfo, file)
}
