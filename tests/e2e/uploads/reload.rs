//! Settings of uploads and retention that change while the server runs.

use std::time::Duration;

use rns_formats::Compression;
use rns_testing::{Server, Standard, http::Request};
use rustix::process::Signal;

use super::{Pushable, packed};
use crate::support::{
    assert_logged, eventually, narinfo_of, private::with_token, twins::reconfigure,
};

/// Changes a text in the configuration of a cache, and reloads it.
fn reload(cache: &mut Pushable, old: &str, new: &str) {
    reload_server(&mut cache.server, old, new);
}

/// Changes a text in the configuration of a server, and reloads it.
pub(crate) fn reload_server(server: &mut Server, old: &str, new: &str) {
    expect_reload(server, old, new, " reloaded");
}

/// The same, where the server says this afterwards.
fn expect_reload(server: &mut Server, old: &str, new: &str, said: &str) {
    let before = server.stderr().matches(said).count();
    reconfigure(&server.scratch().join("config.toml"), old, new);
    server.signal(Signal::HUP);
    let wanted = |line: &str| line.contains(said).then_some(());
    server.wait_for_lines(before + 1, Duration::from_secs(20), wanted);
}

/// A cache with this section and the cache `team` below `/team`.
fn with_team(section: &str) -> Pushable {
    Pushable::with(|builder| {
        let tokens = builder.scratch().join("tokens");
        let team = format!(
            "[cache.team]\npath = \"/team\"\nexpose.everything = true\n\
             access.tokens = {tokens:?}\naccess.anonymous = [\"read\"]"
        );
        builder.section(&format!("{section}\n[expose]\neverything = true\n{team}"))
    })
}

#[test]
fn the_largest_nar_changes_for_new_uploads_and_not_for_those_that_run() {
    let standard = Standard::new();
    let mut cache = with_team("[upload]\nmax_nar_size = \"1GiB\"");
    let (info, nar) = (standard.store.info(&standard.blob), standard.store.nar(&standard.blob));
    let (narinfo, file) = packed(info, &nar, Compression::Zstd);
    let url = format!("/{}", narinfo.url);
    let announced = Request::new("PUT", &url).header("Content-Length", file.len().to_string());
    let announced = with_token(announced.header("Expect", "100-continue"), &cache.token);
    let mut running = cache.server.connect();
    running.send_raw(&announced.to_bytes());
    assert_eq!(running.read_head().unwrap().status, 100);

    reload(&mut cache, "1GiB", "1MiB");
    assert_eq!(cache.put(&url, file.clone()).status(), 413);
    assert_eq!(cache.put(&format!("/team{url}"), file.clone()).status(), 413);
    running.send_raw(&file);
    assert_eq!(running.read_response().unwrap().status(), 201, "it was begun before");
    assert_eq!(cache.put_narinfo(&narinfo).status(), 201);

    let (second, file) = packed(info, &nar, Compression::None);
    let url = format!("/team/{}", second.url);
    assert_eq!(cache.put(&url, file.clone()).status(), 413);
    reload(&mut cache, "1MiB", "10MiB");
    // A wrong configuration changes nothing.
    expect_reload(&mut cache.server, "10MiB", "0", "everything stays as it was");
    assert_eq!(cache.put(&url, file).status(), 201);
}

#[test]
fn caches_that_clients_always_have_are_named_while_the_server_runs() {
    let standard = Standard::new();
    let upstream = Pushable::new();
    upstream.push(&standard, &standard.dep);
    let mut cache = with_team("[upload]\nassume_upstream = []");
    let status = |cache: &Pushable, prefix: &str| {
        cache.server.get(&format!("{prefix}{}", narinfo_of(&standard.dep))).status()
    };
    assert_eq!((status(&cache, "/push"), status(&cache, "/team/push")), (404, 404));
    let named = format!("assume_upstream = [{:?}]", upstream.server.url());
    reload(&mut cache, "assume_upstream = []", &named);
    assert_eq!((status(&cache, "/push"), status(&cache, "/team/push")), (200, 200));
    // Pushed paths may refer to paths of the upstream.
    cache.push(&standard, &standard.top);
    // Other keys change, and it is still named.
    reload(&mut cache, "[upload]", "[upload]\nmax_nar_size = \"1GiB\"");
    assert_eq!(status(&cache, "/push"), 200);
    reload(&mut cache, &named, "assume_upstream = []");
    assert_eq!((status(&cache, "/push"), status(&cache, "/team/push")), (404, 404));
}

#[test]
fn a_server_collects_by_the_policy_and_the_schedule_of_a_reload() {
    let standard = Standard::new();
    let mut cache = Pushable::with(|builder| {
        builder.section("[retention]\nkeep_roots = true\nmin_age = \"2d\"\ninterval = \"0s\"")
    });
    cache.push(&standard, &standard.blob);
    let metric = |cache: &Pushable, line: &str| cache.server.get("/metrics").text().contains(line);
    assert!(metric(&cache, "rust_nix_serve_retention_max_bytes 0\n"));
    reload(&mut cache, "keep_roots = true", "keep_roots = true\nmax_size = \"1GiB\"");
    eventually(|| metric(&cache, "rust_nix_serve_retention_max_bytes 1073741824\n"));

    // A file that was cut off lets nothing go.
    expect_reload(&mut cache.server, "min_age = \"2d\"\ninterval = \"0s\"", "", "reload refused");
    assert_eq!(cache.server.get(&narinfo_of(&standard.blob)).status(), 200);

    let soon = "keep_roots = true\nmin_age = \"0s\"\ninterval = \"1s\"";
    reload(&mut cache, "keep_roots = true\nmax_size = \"1GiB\"", soon);
    eventually(|| cache.server.get(&narinfo_of(&standard.blob)).status() == 404);
    assert!(metric(&cache, "rust_nix_serve_retention_max_bytes 0\n"));
    assert_logged(&cache.server, "a collection removed 1 paths");
}
