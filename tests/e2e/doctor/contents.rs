//! Caches with files that are broken, or missing.

use std::fs;

use rns_testing::Standard;

use super::{
    Diagnosis, Doctor,
    proxies::{Mistakes, WrongFront},
};
use crate::{
    support::{PUBLIC_KEY, is_installed, serve},
    uploads::Pushable,
};

/// A look at a good server some of whose files are replaced by these lines of an nginx.
fn with_files(location: &str) -> Option<Diagnosis> {
    is_installed("nginx").then(|| {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let mistakes = Mistakes { location, ..Mistakes::default() };
        let front = WrongFront::with(server.address(), &mistakes);
        let doctor = Doctor::of(&front.url).args(["--path", standard.executable.as_str()]);
        doctor.args(["--key", PUBLIC_KEY]).run()
    })
}

#[test]
fn a_priority_that_is_no_number() {
    let info = "StoreDir: /nix/store\\nPriority: high\\n";
    let line = format!("location = /nix-cache-info {{ return 200 \"{info}\"; }}");
    let Some(diagnosis) = with_files(&line) else { return };
    diagnosis.names(&["cache-info-malformed"]);
}

#[test]
fn a_narinfo_that_lacks_its_hash() {
    let line = "location ~ narinfo$ { return 200 \"StorePath: /nix/store/x\\nURL: x\\n\"; }";
    let Some(diagnosis) = with_files(line) else { return };
    diagnosis.names(&["narinfo-malformed"]);
}

/// A look at a storage after a change of the file of its only NAR.
fn with_nar(change: impl FnOnce(&std::path::Path)) -> Diagnosis {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let narinfo = cache.push(&standard, &standard.executable);
    change(&cache.directory.join(&narinfo.url));
    let doctor = Doctor::of(cache.server.url()).args(["--path", standard.executable.as_str()]);
    doctor.args(["--key", PUBLIC_KEY]).run()
}

#[test]
fn a_nar_that_is_not_there() {
    let diagnosis = with_nar(|file| fs::remove_file(file).unwrap());
    diagnosis.names(&["nar-missing"]);
    assert!(diagnosis.mend().starts_with("rust-nix-serve storage verify --repair"));
}

#[test]
fn a_nar_with_other_bytes() {
    let diagnosis = with_nar(|file| {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    });
    diagnosis.names(&["nar-damaged"]);
}
