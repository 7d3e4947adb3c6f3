//! Servers that answer something else than the truth.

use rns_testing::Standard;

use super::{program, push};
use crate::{
    support::{canned::Canned, full, narinfo_of},
    uploads::Pushable,
};

#[test]
fn an_upstream_that_answers_everything_has_nothing() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    // The page of a network that wants a login first.
    let portal = Canned::start(|_| ("200 OK", "", "<html>Welcome</html>".to_owned()));
    let upstream = ["--upstream", &portal.url()];
    let done = push(&standard.store, &cache.url(), &[&standard.top], &upstream).success();
    assert!(done.stderr.contains("is left out"), "{}", done.stderr);
    assert_eq!(cache.server.get(&narinfo_of(&standard.top)).status(), 200);
}

#[test]
fn a_terminal_obeys_no_text_of_a_server() {
    let standard = Standard::new();
    let body = "{\"error\": \"\\u001b]0;title\\u0007 \\u009b2J no\\nMAINPID=1\"}";
    let hostile = Canned::start(|_| ("403 Forbidden", "", body.to_owned()));
    let listed = Canned::start(|_| {
        let roots = "{\"roots\": [{\"name\": \"\\u001b[2Jx\", \"paths\": []}], \"next\": null}";
        ("200 OK", "", roots.to_owned())
    });
    let is_harmless = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');
    let refused = push(&standard.store, &hostile.url(), &[&standard.top], &[]);
    assert!(is_harmless(&refused.stderr) && refused.stderr.contains("title"), "{refused:?}");
    for (command, url) in [(["pin", "list", "--to"], &hostile), (["pin", "list", "--to"], &listed)]
    {
        let said = rns_testing::run(program(&command).arg(url.url()), super::PUSH_TIMEOUT);
        assert!(is_harmless(&said.text()) && is_harmless(&said.stderr), "{said:?}");
    }
    let paths = full(&standard.top);
    let mut doctor = program(&["doctor", "--path", &paths]);
    let said = rns_testing::run(doctor.arg(hostile.url()), super::PUSH_TIMEOUT);
    assert!(is_harmless(&said.text()) && is_harmless(&said.stderr), "{said:?}");
}
