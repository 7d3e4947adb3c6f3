//! Machines that push to a cache and do not substitute from it.

use rns_testing::Standard;

use super::{Diagnosis, Doctor};
use crate::{
    support::{PUBLIC_KEY, private::create},
    uploads::Pushable,
};

/// A look by one who pushes, with this nix.conf, where `URL` stands for the cache.
fn pushing(conf: &str, flags: &[&str]) -> Diagnosis {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.executable);
    let token = cache.server.scratch().write("token", &cache.token);
    let doctor = Doctor::of(cache.server.url()).nix_conf(&conf.replace("URL", cache.server.url()));
    let doctor = doctor.args(["--path", standard.executable.as_str(), "--token-file"]).arg(token);
    doctor.args(flags).run()
}

#[test]
fn a_machine_that_only_pushes_need_not_trust_the_key() {
    let conf = "substituters =\ntrusted-public-keys =\n";
    pushing(conf, &["--push"]).is_silent();
    // One that substitutes from there as well has to, and so has one that is looked at as a client.
    let using = "substituters = URL/?priority=10\ntrusted-public-keys =\n";
    let diagnosis = pushing(using, &["--push"]);
    diagnosis.names(&["key-not-trusted"]);
    assert!(diagnosis.mend().contains(PUBLIC_KEY), "{}", diagnosis.mend());
    pushing(conf, &[]).names(&["key-not-trusted"]);
    // The user's own statement must be right.
    pushing(conf, &["--push", "--key", PUBLIC_KEY]).is_silent();
    let other = PUBLIC_KEY.replace("test-1", "cache-1");
    pushing(conf, &["--push", "--key", &other]).names(&["key-other-name"]);
}

#[test]
fn a_token_that_may_only_read() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.executable);
    let token = create(&cache.tokens, "reader", &["--allow", "read"]);
    cache.server.signal(rustix::process::Signal::HUP);
    let file = cache.server.scratch().write("reader", token);
    crate::support::eventually(|| {
        let doctor = Doctor::of(cache.server.url()).args(["--path", standard.executable.as_str()]);
        let diagnosis = doctor.args(["--push", "--token-file"]).arg(&file).run();
        diagnosis.ids() == ["token-not-permitted"] && diagnosis.mend().contains("--allow read,push")
    });
}
