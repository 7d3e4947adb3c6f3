//! Room on the disk of the store: `upload.keep_free`.

use rns_testing::{Standard, http::Request};

use super::Machine;
use crate::support::{
    assert_logged, eventually, full, nixes,
    private::{create, with_token},
};

/// No disk has as much free.
const ALL: &str = "keep_free = \"100%\"";

#[test]
fn on_a_full_disk_what_was_pushed_goes_and_what_roots_keep_stays() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        for path in [&standard.dep, &standard.top, &standard.executable] {
            machine.push(&server, &standard, path);
        }
        let token = create(&machine.tokens, "release", &["--allow", "pin"]);
        let pin = || {
            let request = Request::new("PUT", "/gcroots/main").body(full(&standard.top));
            server.connect().send(&with_token(request, &token)).status()
        };
        eventually(|| pin() == 200);
        drop(server);
        // A day has not passed.
        let server = machine.server(ALL, "");
        assert_logged(&server, "nothing more may go");
        let metrics = server.get("/metrics").text().to_owned();
        let bytes = |name: &str| {
            let start = format!("rust_nix_serve_disk_{name}_bytes{{of=\"store\"}} ");
            let value = metrics.lines().find_map(|line| line.strip_prefix(&start));
            value.unwrap_or_else(|| panic!("{name}: {metrics}")).parse::<u64>().unwrap()
        };
        assert!(bytes("free") < bytes("keep_free"), "{metrics}");
        drop(server);
        for path in [&standard.dep, &standard.top, &standard.executable] {
            assert!(machine.is_valid(path), "{path}");
        }
        let server = machine.server(ALL, "[retention]\nmin_age = \"0s\"");
        assert_logged(&server, "nothing more may go (let go of 1 pushed paths)");
        assert!(!machine.is_valid(&standard.executable));
        assert!(!machine.roots().join(standard.executable.as_str()).is_symlink());
        for path in [&standard.dep, &standard.top] {
            assert!(machine.is_valid(path), "{path}");
            assert!(machine.roots().join(path.as_str()).is_symlink(), "{path}");
        }
    }
}
