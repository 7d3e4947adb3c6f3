//! Names without an address, and addresses at which nothing answers.

use std::net::TcpListener;

use rns_testing::Standard;

use super::Doctor;
use crate::support::{PUBLIC_KEY, SECRET_KEY, serve, server};

/// A name with addresses of both kinds.
const BOTH: &str = "127.0.0.1 localhost\n::1 localhost\n";

#[test]
fn ipv6_that_does_not_answer() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let look = |url: &str, hosts: &str| {
        let doctor = Doctor::of(&url.replace("127.0.0.1", "localhost"));
        let doctor = doctor.args(["--path", standard.executable.as_str(), "--key", PUBLIC_KEY]);
        Some(doctor.with_mounted(&[("/etc/hosts", hosts)])?.run())
    };
    let Some(diagnosis) = look(server.url(), BOTH) else { return };
    diagnosis.names(&["ipv6-broken"]);
    assert!(diagnosis.mend().contains("the AAAA record of localhost"), "{}", diagnosis.mend());
    // Either half of the line mends it.
    look(server.url(), "127.0.0.1 localhost\n").unwrap().is_silent();
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let port = server.address().port();
    drop(server);
    let listen = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    let both = crate::support::server().store(&standard.store).keys([SECRET_KEY]);
    let both = both.listen(listen.iter().map(String::as_str)).start();
    look(both.url(), BOTH).unwrap().is_silent();
}

#[test]
fn ipv4_that_does_not_answer() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let standard = Standard::new();
    let server = server().store(&standard.store).keys([SECRET_KEY]).listen(["[::1]:0"]).start();
    let doctor = Doctor::of(&server.url().replace("[::1]", "localhost"));
    let doctor = doctor.args(["--path", standard.executable.as_str(), "--key", PUBLIC_KEY]);
    let Some(doctor) = doctor.with_mounted(&[("/etc/hosts", BOTH)]) else { return };
    doctor.run().names(&["ipv4-broken"]);
}

#[test]
fn a_name_that_nothing_knows() {
    // No name server is asked that is not of this machine.
    let resolver = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
    let files = [("/etc/hosts", BOTH), ("/etc/resolv.conf", resolver)];
    let Some(doctor) = Doctor::of("http://cache.invalid").with_mounted(&files) else { return };
    let diagnosis = doctor.run();
    diagnosis.names(&["name-unresolved"]);
    assert_eq!(diagnosis.code, 3);
}

#[test]
fn nothing_that_answers() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let diagnosis = Doctor::of(&format!("http://127.0.0.1:{port}")).run();
    diagnosis.names(&["unreachable"]);
    assert_eq!(diagnosis.code, 3);
}
