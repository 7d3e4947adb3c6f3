//! Ways to the cache that fail now and then: in the end everything is there, and whole.

use rns_formats::{NarInfo, Sha256Digest, StoreDir};
use rns_testing::{FixtureStore, Nix, Proxy, Standard, Tree};

use super::{assert_read, push, several, targets::Dav};
use crate::{
    support::{is_installed, narinfo_of, times},
    uploads::Pushable,
};

/// Pushes after which everything must be there: the next one brings through the paths that one has not.
const MAX_PUSHES: usize = 4;

#[test]
fn connections_that_are_cut_anywhere_cost_time_and_nothing_else() {
    let standard = Standard::new();
    let paths = several(&standard);
    let rounds = times("RNS_PUSH_ROUNDS", 6, 200);
    for round in 1..=rounds {
        let cache = Pushable::new();
        let proxy = Proxy::severing(cache.server.address(), round);
        let to = proxy.url().replace("://", &format!("://ci:{}@", cache.token));
        let mut pushes = (1..=MAX_PUSHES).map(|_| push(&standard.store, &to, &paths, &[]));
        let done = pushes.find(|done| done.status.success());
        assert!(done.is_some(), "round {round}");
        for path in paths.into_iter().chain([&standard.dep]) {
            let text = cache.server.get(&narinfo_of(path));
            assert_eq!(text.status(), 200, "round {round}: {path}");
            let narinfo = NarInfo::parse(text.text(), &StoreDir::default()).unwrap();
            let file = cache.server.get(&format!("/{}", narinfo.url));
            let hash = Sha256Digest::of(&file.body);
            assert_eq!(narinfo.file_hash, Some(hash.into()), "round {round}: {path}");
        }
        if round == rounds
            && let Some(nix) = Nix::v2_34()
        {
            assert_read(&nix, &standard, cache.server.url(), &paths);
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
