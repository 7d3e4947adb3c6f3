//! The paths that are shown of a store, and that nothing tells of the rest.

use std::time::Duration;

use rns_testing::{Server, Standard, http};
use rustix::process::Signal;

use crate::{
    support::twins::{Package, Twins, assert_alike, ready, reconfigure},
    support::{
        PUBLIC_KEY, assert_logged, assert_refusal, assert_refuses_to_start, eventually, field,
        full, narinfo_of, nixes, server,
    },
};

const KEY: &str = crate::support::SECRET_KEY;

fn status(server: &Server, target: &str) -> u16 {
    server.get(target).status()
}

/// Whether the narinfo of a package is shown.
fn shows(server: &Server, package: &Package) -> bool {
    match status(server, &narinfo_of(&package.path)) {
        200 => true,
        404 => false,
        other => panic!("status {other}"),
    }
}

#[test]
fn only_the_closures_of_the_roots_are_shown_by_every_name() {
    let twins = Twins::new();
    let everything = twins.builder().start();
    let some = twins.serve();
    for target in twins.shown.targets() {
        let (all, some) = (everything.get(&target), some.get(&target));
        assert_eq!(all.status(), some.status(), "{target}");
        assert!(target.ends_with(".zst") || all.status() < 400, "{target}: {all:?}");
    }
    for target in twins.hidden.targets() {
        let all = everything.get(&target);
        assert!(target.ends_with(".zst") || all.status() < 400, "{target}: {all:?}");
        assert_refusal(&some.get(&target), 404);
    }
}

#[test]
fn a_hidden_path_is_like_one_that_is_not_there() {
    let twins = Twins::new();
    let server = twins.serve();
    for (hidden, missing) in twins.hidden.targets().iter().zip(twins.missing.targets()) {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"] {
            let ask = |target: &str| {
                let request = http::Request::new(method, target)
                    .header("If-None-Match", "*")
                    .header("Range", "bytes=1-2");
                server.connect().send(&request)
            };
            assert_alike(&ask(hidden), &ask(&missing), &format!("{method} {hidden}"));
        }
    }
}

#[test]
fn the_deriver_is_named_only_where_it_is_shown() {
    let twins = Twins::new();
    let server = twins.serve();
    let narinfo = server.get(&narinfo_of(&twins.shown.path));
    assert_eq!(field(&narinfo, "Deriver"), Some(twins.shown.derivation.as_str()));

    let top = ready(twins.builder().section("[expose]\ndeny = [\"hidden*\"]"));
    assert!(shows(&top, &twins.shown) && !shows(&top, &twins.hidden));
    // Denied by name, so that its referrers are withheld, and named to the operator.
    let drv =
        ready(twins.builder().section("[expose]\ndeny = [\"*.drv\"]\nallow = [\"hidden.drv\"]"));
    assert!(!shows(&drv, &twins.shown) && shows(&drv, &twins.hidden));
    assert_logged(&drv, "shown.drv");
}

#[test]
fn a_profile_that_is_switched_shows_at_once_and_hides_soon() {
    let twins = Twins::new();
    let server = twins.serve();
    // Answers from memory go with the rest.
    for _ in 0..3 {
        assert!(shows(&server, &twins.shown));
    }
    assert!(!shows(&server, &twins.hidden));
    twins.switch_to(&twins.hidden);
    assert!(shows(&server, &twins.hidden), "a miss would be remembered for an hour");
    eventually(|| !shows(&server, &twins.shown));
    for target in twins.shown.targets() {
        assert_refusal(&server.get(&target), 404);
    }
}

#[test]
fn signatures_decide_where_they_are_asked_for() {
    let twins = Twins::new();
    let sign = |package: &Package| {
        for path in [&package.path, &package.derivation] {
            let info = twins.store.info(path);
            let key = rns_formats::SecretKey::parse(KEY).unwrap();
            let signature = key.sign(info.fingerprint(twins.store.store_dir()).as_bytes());
            twins.store.execute(
                "update ValidPaths set sigs = ? where path = ?",
                [&signature.to_string(), &full(path)],
            );
        }
    };
    sign(&twins.shown);
    let section = format!("[expose]\nsigned_by = [\"{PUBLIC_KEY}\"]");
    let server = ready(twins.builder().section(&section));
    assert!(shows(&server, &twins.shown) && !shows(&server, &twins.hidden));
    for target in twins.hidden.targets() {
        assert_refusal(&server.get(&target), 404);
    }
}

#[test]
fn nothing_is_shown_when_that_is_said() {
    let twins = Twins::new();
    let server = ready(twins.builder().section("[expose]\neverything = false"));
    server.get("/nix-cache-info").ok();
    for target in twins.shown.targets() {
        assert_refusal(&server.get(&target), 404);
    }
}

#[test]
fn a_closure_is_whole_for_real_nix_and_what_is_hidden_is_not_there() {
    for nix in nixes() {
        let standard = Standard::new();
        let section = format!("[expose]\nroots = [{:?}]", full(&standard.top));
        let server = ready(server().store(&standard.store).keys([KEY]).section(&section));
        let client = nix.client().substituting_from(server.url(), PUBLIC_KEY);
        client.realise([full(&standard.top)]).success();
        for path in [&standard.top, &standard.dep] {
            assert!(client.dump(&client.real_path(path.as_str())) == standard.store.nar(path));
        }
        let refused = client.realise([full(&standard.tree)]);
        assert!(!refused.status.success(), "{}", refused.stderr);
    }
}

#[test]
fn what_is_shown_is_counted_for_each_cache() {
    let twins = Twins::new();
    let text = format!(
        "[expose]\nroots = [{:?}, \"/nowhere\"]\n[cache.rest]\npath = \"/rest\"\nexpose.deny = [\"hidden.drv\"]\nexpose.everything = true\n",
        twins.profile
    );
    let server = ready(twins.builder().section(&text));
    // A cache is ready before the paths of all caches are counted.
    for line in [
        "rust_nix_serve_exposed_paths{cache=\"\"} 2",
        "rust_nix_serve_missing_roots{cache=\"\"} 1",
        "rust_nix_serve_exposed_paths{cache=\"rest\"} 2",
        "rust_nix_serve_withheld_paths{cache=\"rest\"} 1",
    ] {
        eventually(|| server.get("/metrics").text().lines().any(|found| found == line));
    }
}

#[test]
fn until_it_is_known_what_is_shown_nothing_is_neither_is_it_missing() {
    let twins = Twins::new();
    let section = format!("[expose]\nroots = [{:?}]", twins.profile);
    // Two paths are more than there is room for.
    let builder = twins.builder().section(&section);
    let server = builder.store_number("index_entries", 1).start();
    for target in twins.shown.targets().iter().chain(&twins.missing.targets()) {
        let answer = server.get(target);
        assert!(
            answer.status() == 503 || target.starts_with("/nar/") && target.ends_with(".zst"),
            "{target}: {answer:?}"
        );
    }
    let ready = server.get("/readyz");
    assert_refusal(&ready, 503);
    assert!(ready.text().contains("the policy of exposure"), "{}", ready.text());
    server.get("/nix-cache-info").ok();
    assert_logged(&server, "index_entries");
}

#[test]
fn a_reload_shows_something_else_without_cutting_a_download() {
    let mut twins = Twins::new();
    let large = twins.store.add("large", rns_testing::Tree::file(vec![7; 30_000_000]));
    let section = format!("[expose]\nroots = [{:?}, {:?}]", twins.profile, full(&large));
    let mut server = ready(twins.builder().section(&section));
    let file = server.scratch().join("config.toml");
    let nar = crate::support::nar_of(&server, &large);
    let mut download = server.connect();
    let (head, mut body) = download.start(&http::Request::get(&nar));
    assert_eq!(head.status, 200);
    let mut buffer = vec![0; 1 << 16];
    let mut read = download.read_body(&mut body, &mut buffer);

    reconfigure(&file, "[expose]\nroots", "[expose]\ndeny = [\"shown*\", \"large\"]\n#");
    server.signal(Signal::HUP);
    server.wait_for_line("reloaded");
    assert!(shows(&server, &twins.hidden) && !shows(&server, &twins.shown));
    assert_refusal(&server.get(&nar), 404);

    loop {
        match download.read_body(&mut body, &mut buffer) {
            0 => break,
            more => read += more,
        }
    }
    assert_eq!((read as u64, body.ended()), (twins.store.info(&large).nar_size, Some(true)));

    // A policy without sense changes nothing.
    for (bad, complaint) in [
        ("[expose]\neverything = true\nroots = []\n#", "`roots` shows a part"),
        ("[expose]\nroots = [\"result\"]\n#", "is not an absolute path"),
        ("[expose]\nallow = [\"x\"]\n#", "nothing is denied"),
    ] {
        reconfigure(&file, "[expose]\ndeny", bad);
        server.signal(Signal::HUP);
        server.wait_for_line(complaint);
        assert!(shows(&server, &twins.hidden) && !shows(&server, &twins.shown));
        reconfigure(&file, bad, "[expose]\ndeny");
    }
}

#[test]
fn while_it_is_not_known_what_is_shown_the_old_is_and_a_later_reload_wins() {
    let twins = Twins::new();
    let section = format!("[expose]\nroots = [{:?}]", twins.profile);
    // There is room for one package with its derivation.
    let mut server = ready(twins.builder().section(&section).store_number("index_entries", 3));
    let file = server.scratch().join("config.toml");
    let both = format!("roots = [{:?}, {:?}]", full(&twins.shown.path), full(&twins.hidden.path));
    reconfigure(&file, "roots =", &format!("{both}\n#"));
    server.signal(Signal::HUP);
    server.wait_for_line("index_entries");
    for _ in 0..20 {
        assert!(shows(&server, &twins.shown) && !shows(&server, &twins.hidden));
    }
    assert!(!server.stderr().contains("reloaded"));

    reconfigure(&file, &both, &format!("roots = [{:?}]", full(&twins.hidden.path)));
    server.signal(Signal::HUP);
    server.wait_for_line("reloaded");
    assert!(shows(&server, &twins.hidden) && !shows(&server, &twins.shown));
}

#[test]
fn what_cannot_be_known_is_exchanged_all_the_same_after_some_seconds() {
    let twins = Twins::new();
    let section = format!("[expose]\nroots = [{:?}]", twins.profile);
    let mut server = ready(twins.builder().section(&section).store_number("index_entries", 3));
    let file = server.scratch().join("config.toml");
    reconfigure(&file, "[expose]\nroots", "[expose]\ndeny = [\"nothing\"]\n#");
    server.signal(Signal::HUP);
    server
        .wait_for_lines(1, Duration::from_secs(60), |line| line.contains("reloaded").then_some(()));
    assert_refusal(&server.get(&narinfo_of(&twins.shown.path)), 503);
    assert_logged(&server, "the policies of some caches are not evaluated yet");
}

#[test]
fn a_contradiction_is_refused_at_the_start() {
    let twins = Twins::new();
    let section = "[expose]\neverything = true\nnames = [\"shown\"]";
    let (mut process, _scratch) = server().store(&twins.store).section(section).spawn();
    assert_refuses_to_start(&mut process, "`names` shows a part, so this cannot be true");
}
