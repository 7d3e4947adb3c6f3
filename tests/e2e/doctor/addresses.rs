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
    let doctor = Doctor::of(&server.url().replace("127.0.0.1", "localhost"));
    let doctor = doctor.args(["--path", standard.executable.as_str(), "--key", PUBLIC_KEY]);
    let Some(doctor) = doctor.with_mounted(&[("/etc/hosts", BOTH)]) else { return };
    doctor.run().names(&["ipv6-broken"]);
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
