//! The fingerprint of a key, which its owner and those who are to trust it compare.

use std::{path::Path, process::Command, time::Duration};

use rns_testing::{Finished, Standard, run};

use super::Doctor;
use crate::support::{SECRET_KEY, serve};

fn program(args: &[&str], home: &Path) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    command.env_clear().env("HOME", home).env("NIX_CONF_DIR", home).args(args);
    run(&mut command, Duration::from_secs(120))
}

#[test]
fn the_owner_sees_what_clients_are_shown() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let doctor = Doctor::of(server.url()).args(["--path", standard.executable.as_str()]);
    let home = doctor.scratch.path().to_owned();
    let secret = doctor.scratch.write("secret", SECRET_KEY);
    let owners = program(&["key", "fingerprint", secret.to_str().unwrap()], &home).success().text();
    let (name, fingerprint) = owners.trim_end().split_once(' ').unwrap();
    assert!(name == "test-1" && fingerprint.starts_with("sha256-"), "{owners}");
    let public = doctor.scratch.write("public", server.get("/pubkey").text());
    let of_public = program(&["key", "fingerprint", public.to_str().unwrap()], &home);
    assert_eq!(of_public.success().text(), owners);
    // It is no terminal, so that nothing is changed.
    let used = program(&["use", server.url()], &home);
    assert!(used.stderr.contains(fingerprint), "{}", used.stderr);
    let diagnosis = doctor.run();
    diagnosis.names(&["key-not-trusted"]);
    assert!(diagnosis.mend().contains(fingerprint), "{}", diagnosis.mend());
}
