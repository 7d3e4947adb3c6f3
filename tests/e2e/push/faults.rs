//! Ways to the cache that fail now and then: in the end everything is there, and whole.

use std::{fs, net::SocketAddr};

use rns_formats::{NarInfo, Sha256Digest, StoreDir, StorePath};
use rns_testing::{Finished, FixtureStore, Nix, Proxy, S3Server, Standard, Tree, run};

use super::{
    PUSH_TIMEOUT, assert_read, plain_server::PlainServer, program, push, several, targets::Dav,
};
use crate::{
    support::{full, is_installed, narinfo_of, times},
    uploads::Pushable,
};

/// Pushes after which everything must be there: the next one brings through the paths that one has not.
const MAX_PUSHES: usize = 4;

/// Servers of these kinds take pushes, one in each round.
const KINDS: u64 = 4;

/// A server that takes pushes.
enum Cache {
    /// This program.
    Own(Pushable),
    /// A web server, which answers no question about many paths.
    Dav(Dav),
    /// A server that keeps files, and nothing more.
    Plain(PlainServer),
    /// A bucket.
    Bucket(S3Server),
}

impl Cache {
    /// Starts a server of this kind, if the machine has it.
    fn start(kind: u64) -> Option<Self> {
        match kind {
            0 => Some(Self::Own(Pushable::new())),
            1 => is_installed("nginx").then(|| Self::Dav(Dav::start(""))),
            2 => Some(Self::Plain(PlainServer::start())),
            _ => S3Server::start().map(Self::Bucket),
        }
    }

    fn address(&self) -> SocketAddr {
        let url = match self {
            Self::Own(own) => own.server.url().to_owned(),
            Self::Dav(dav) => dav.url.clone(),
            Self::Plain(plain) => plain.url(),
            Self::Bucket(bucket) => bucket.url(),
        };
        let (_, address) = url.split_once("http://").unwrap();
        address.split('&').next().unwrap().parse().unwrap()
    }

    /// Pushes through a proxy.
    fn push(&self, standard: &Standard, paths: &[&StorePath], proxy: &Proxy) -> Finished {
        let to = match self {
            Self::Own(own) => proxy.url().replace("://", &format!("://ci:{}@", own.token)),
            Self::Dav(_) | Self::Plain(_) => proxy.url(),
            Self::Bucket(bucket) => {
                bucket.url().replace(&format!("http://{}", self.address()), &proxy.url())
            }
        };
        let root = standard.store.root().to_str().unwrap();
        let mut command = program(&["push", "--store", root, "--to", &to]);
        if let Self::Bucket(bucket) = self {
            let credentials = bucket.credentials_file();
            // Else the index would be that of the machine.
            command.env("STATE_DIRECTORY", credentials.parent().unwrap());
            command.env("AWS_SHARED_CREDENTIALS_FILE", credentials);
        }
        run(command.args(paths.iter().map(|path| full(path))), PUSH_TIMEOUT)
    }

    /// A file of the cache.
    fn file(&self, name: &str) -> Option<Vec<u8>> {
        let directory = match self {
            Self::Own(own) => {
                let answer = own.server.get(&format!("/{name}"));
                return (answer.status() == 200).then_some(answer.body);
            }
            Self::Dav(dav) => dav.directory(),
            Self::Plain(plain) => plain.directory(),
            Self::Bucket(bucket) => bucket.directory(),
        };
        fs::read(directory.join(name)).ok()
    }

    /// Where real Nix reads it.
    fn url(&self) -> String {
        match self {
            Self::Own(own) => own.server.url().to_owned(),
            Self::Dav(dav) => dav.url.clone(),
            Self::Plain(plain) => plain.url(),
            Self::Bucket(bucket) => format!("file://{}", bucket.directory().display()),
        }
    }
}

#[test]
fn connections_that_are_cut_anywhere_cost_time_and_nothing_else() {
    let standard = Standard::new();
    let paths = several(&standard);
    let rounds = times("RNS_PUSH_ROUNDS", 6, 200);
    for round in 1..=rounds {
        let Some(cache) = Cache::start(round % KINDS) else { continue };
        let proxy = Proxy::severing(cache.address(), round);
        let mut pushes = (1..=MAX_PUSHES).map(|_| cache.push(&standard, &paths, &proxy));
        let done = pushes.find(|done| done.status.success());
        assert!(done.is_some(), "round {round}");
        for path in paths.into_iter().chain([&standard.dep]) {
            let text = cache.file(narinfo_of(path).trim_start_matches('/'));
            let text = text.unwrap_or_else(|| panic!("round {round}: {path}"));
            let text = String::from_utf8(text).unwrap();
            let narinfo = NarInfo::parse(&text, &StoreDir::default()).unwrap();
            let file = cache.file(&narinfo.url);
            let file = file.unwrap_or_else(|| panic!("round {round}: {path}"));
            let hash = Sha256Digest::of(&file);
            assert_eq!(narinfo.file_hash, Some(hash.into()), "round {round}: {path}");
        }
        if round + KINDS > rounds
            && let Some(nix) = Nix::v2_34()
        {
            assert_read(&nix, &standard, &cache.url(), &paths);
        }
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    if !is_installed("nginx") {
        return;
    }
    let mut store = FixtureStore::new();
    let paths: Vec<_> =
        (0..20).map(|number| store.add(&format!("p{number}"), Tree::file("x"))).collect();
    let paths: Vec<_> = paths.iter().collect();
    for status in [429, 503] {
        let zone = "limit_req_zone $server_name zone=all:1m rate=60r/s;";
        let limit = format!("limit_req zone=all burst=8 nodelay; limit_req_status {status};");
        let dav = Dav::start_with(zone, &limit);
        push(&store, &dav.url, &paths, &[]).success();
        let narinfo = |path| dav.directory().join(narinfo_of(path).trim_start_matches('/'));
        assert!(paths.iter().all(|path| narinfo(path).is_file()), "{status}");
    }
}

#[test]
fn a_large_nar_of_an_interrupted_push_is_not_sent_again() {
    if !is_installed("nginx") {
        return;
    }
    let (standard, dav) = (Standard::new(), Dav::start(""));
    push(&standard.store, &dav.url, &[&standard.blob], &[]).success();
    // As it is when a push was stopped before the narinfo.
    fs::remove_file(dav.directory().join(narinfo_of(&standard.blob).trim_start_matches('/')))
        .unwrap();
    let proxy = Proxy::recording(dav.url.trim_start_matches("http://").parse().unwrap());
    let done = push(&standard.store, &proxy.url(), &[&standard.blob], &[]).success();
    assert!(done.stderr.contains("1 path pushed"), "{}", done.stderr);
    let lines = proxy.request_lines();
    let is_sent = |name: &str| lines.iter().any(|line| line.starts_with(&format!("PUT {name}")));
    assert!(is_sent(&narinfo_of(&standard.blob)) && !is_sent("/nar/"), "{lines:?}");
}
