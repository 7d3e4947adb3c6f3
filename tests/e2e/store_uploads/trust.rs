//! The paths that the daemon takes from a server that it does not trust.

use rns_testing::Standard;

use super::Machine;
use crate::support::{PUBLIC_KEY, assert_logged, assert_refusal, narinfo_of, nixes};

/// Signatures by the key of the server count, or none.
const UNTRUSTED: (&str, &str) = ("trusted-users", "nobody-at-all");

#[test]
fn a_daemon_that_trusts_nothing_of_it_refuses_and_both_sides_are_told() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::with_options(&nix, &[UNTRUSTED]));
        let server = machine.server("", "");
        // More than fits between the daemon and this server: the daemon refuses before it has read all.
        for path in [&standard.executable, &standard.blob] {
            let narinfo = machine.put_nar(&server, &standard, path);
            let refused = machine.put_narinfo(&server, &narinfo);
            assert_refusal(&refused, 403);
            assert!(refused.text().contains("signature"), "{}", refused.text());
            assert!(!machine.is_valid(path));
            assert_eq!(server.get(&narinfo_of(path)).status(), 404);
            assert!(!machine.roots().join(path.as_str()).is_symlink());
        }
        assert_logged(&server, "trusted-public-keys");
        // A content address vouches for itself.
        machine.push(&server, &standard, &standard.dep);
        assert!(machine.is_valid(&standard.dep));
        let drv = "/push/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x.drv";
        assert_refusal(&machine.put(&server, drv, "built\n"), 403);
    }
}

#[test]
fn a_daemon_that_trusts_the_key_of_the_cache_takes_what_it_has_signed() {
    for nix in nixes() {
        let standard = Standard::new();
        let options = [UNTRUSTED, ("trusted-public-keys", PUBLIC_KEY)];
        let machine = Machine::with_options(&nix, &options);
        let server = machine.server("", "");
        machine.push(&server, &standard, &standard.executable);
        assert!(machine.is_valid(&standard.executable));
        drop(server);
        let unsigned = machine.server("sign = false", "");
        let narinfo = machine.put_nar(&unsigned, &standard, &standard.link);
        assert_refusal(&machine.put_narinfo(&unsigned, &narinfo), 403);
    }
}
