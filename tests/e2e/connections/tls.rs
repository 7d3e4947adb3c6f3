//! HTTPS: protocols, many requests on one connection, and certificates that change.

use std::{process::Command, time::Duration};

use rns_testing::{Server, Standard, run};
use rustix::process::Signal;

use crate::support::{
    assert_refuses_to_start, is_installed, narinfo_of,
    tls::{given, show, speaking_tls},
};

/// The output of curl with these arguments when it trusts only this certificate; `None` when it fails.
fn curl(trusted: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]);
    let finished = run(command.arg(given(trusted)).args(arguments), Duration::from_secs(60));
    finished.status.success().then(|| String::from_utf8(finished.stdout).unwrap())
}

fn trusts(server: &Server, certificate: &str) -> bool {
    curl(certificate, &[&format!("{}/nix-cache-info", server.url())]).is_some()
}

#[test]
fn clients_choose_between_http2_and_http1() {
    if !is_installed("curl") {
        return;
    }
    let standard = Standard::new();
    let server = speaking_tls("one.crt", "one.key").store(&standard.store).start();
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let url = format!("{}/nix-cache-info", server.url());
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let version_line = ["--write-out", "version %{http_version}"];
        let said = curl("one.crt", &[option, version_line[0], version_line[1], &url]).unwrap();
        assert!(said.starts_with("StoreDir: /nix/store\n"), "{said}");
        assert!(said.ends_with(&format!("version {version}")), "{said}");
        let page = curl("one.crt", &[option, server.url()]).unwrap();
        assert!(page.contains(server.url()), "{option}: the page names another address");
    }
    assert!(!trusts(&server, "two.crt"), "another certificate is not the server's");
}

#[test]
fn hundreds_of_requests_run_side_by_side_on_one_connection() {
    if !is_installed("h2load") {
        return;
    }
    let standard = Standard::new();
    let server = speaking_tls("one.crt", "one.key").store(&standard.store).start();
    let url = format!("{}{}", server.url(), narinfo_of(&standard.tree));
    let mut command = Command::new("h2load");
    command.args(["--clients=1", "--requests=512", "--max-concurrent-streams=256", &url]);
    let said = String::from_utf8(run(&mut command, Duration::from_secs(60)).stdout).unwrap();
    assert!(said.contains("Application protocol: h2\n"), "{said}");
    assert!(said.contains("status codes: 512 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    if !is_installed("curl") {
        return;
    }
    let standard = Standard::new();
    let mut server = speaking_tls("one.crt", "one.key").store(&standard.store).start();
    assert!(trusts(&server, "one.crt"));
    show(server.scratch().path(), "two.crt", "two.key");
    server.wait_for_lines(1, Duration::from_secs(20), |line| {
        line.contains("certificate has changed").then_some(())
    });
    assert!(trusts(&server, "two.crt") && !trusts(&server, "one.crt"));
}

#[test]
fn a_bad_certificate_is_refused_on_reload_and_the_old_one_stays() {
    if !is_installed("curl") {
        return;
    }
    let standard = Standard::new();
    let mut server = speaking_tls("one.crt", "one.key").store(&standard.store).start();
    show(server.scratch().path(), "two.crt", "one.key");
    server.signal(Signal::HUP);
    server.wait_for_line("reload refused");
    let line = server.wait_for_line("does not belong");
    assert!(line.contains("tls.key"), "{line}");
    assert!(trusts(&server, "one.crt"));

    show(server.scratch().path(), "two.crt", "two.key");
    server.signal(Signal::HUP);
    server.wait_for_line("reloaded");
    assert!(trusts(&server, "two.crt"));
}

#[test]
fn a_key_of_another_certificate_is_named_at_the_start() {
    let (mut process, _scratch) = speaking_tls("one.crt", "two.key").spawn();
    assert_refuses_to_start(&mut process, "tls.key: it does not belong");
}
