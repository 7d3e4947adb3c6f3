//! The paths of a queue that are pushed, and those that leave it.

use rns_testing::{Entry, Standard, Tree};

use super::queue::Place;
use crate::{
    support::{full, narinfo_of},
    uploads::Pushable,
};

#[test]
fn filters_leave_paths_out_and_not_what_others_refer_to() {
    let (standard, place, cache) = (Standard::new(), Place::new(), Pushable::new());
    place.hook(&[&standard.top, &standard.dep, &standard.blob, &standard.executable]).success();
    let more = ["--skip", "dep*", "--skip", "run", "--max-size", "1M"];
    place.drain(&standard.store, &cache.url(), &more).success();
    let is_there = |path| cache.server.get(&narinfo_of(path)).status() == 200;
    assert!(is_there(&standard.top) && is_there(&standard.dep));
    assert!(!is_there(&standard.blob) && !is_there(&standard.executable));
    assert_eq!(place.waiting(), 0);
}

#[test]
fn only_what_was_built_here_lately_is_pushed_where_that_is_wanted() {
    let (mut standard, place, cache) = (Standard::new(), Place::new(), Pushable::new());
    let store = &mut standard.store;
    let built = store.insert(Entry::new("built", Tree::file("1")).ultimate());
    let old = store.insert(Entry::new("old", Tree::file("2")).ultimate());
    let signature = format!("elsewhere-1:{}==", "A".repeat(86));
    let fetched = store.insert(Entry::new("fetched", Tree::file("3")).signature(signature));
    for path in [&built, &fetched] {
        let now = "update ValidPaths set registrationTime = strftime('%s', 'now') where path = ?";
        store.execute(now, [full(path)]);
    }
    let is_there = |path| cache.server.get(&narinfo_of(path)).status() == 200;
    place.hook(&[&built, &old, &fetched]).success();
    let more = ["--built-here", "--max-age", "7d"];
    place.drain(&standard.store, &cache.url(), &more).success();
    assert!(is_there(&built) && !is_there(&old) && !is_there(&fetched));
    assert_eq!(place.waiting(), 0);
    // Each flag alone.
    for (more, wanted, other) in
        [(&["--built-here"][..], &old, &fetched), (&["--max-age", "7d"], &fetched, &old)]
    {
        let cache = Pushable::new();
        let is_there = |path| cache.server.get(&narinfo_of(path)).status() == 200;
        place.hook(&[&old, &fetched]).success();
        place.drain(&standard.store, &cache.url(), more).success();
        assert!(is_there(wanted) && !is_there(other), "{more:?}");
    }
}

#[test]
fn what_an_upstream_has_leaves_the_queue_without_being_pushed() {
    let (standard, place, upstream) = (Standard::new(), Place::new(), Pushable::new());
    upstream.push(&standard, &standard.dep);
    let section = format!("[upload]\nassume_upstream = [{:?}]", upstream.server.url());
    let cache = Pushable::with(|builder| builder.section(&section));
    place.hook(&[&standard.top, &standard.dep]).success();
    let more = ["--upstream", upstream.server.url()];
    place.drain(&standard.store, &cache.url(), &more).success();
    assert_eq!(place.waiting(), 0);
    let is_there = |path| cache.server.get(&narinfo_of(path)).status() == 200;
    assert!(is_there(&standard.top) && !is_there(&standard.dep));
}
