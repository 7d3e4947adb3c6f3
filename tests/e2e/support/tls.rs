//! Servers that speak TLS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rns_testing::ServerBuilder;

use super::server;

/// A certificate or a key in `tests/data/tls`.
pub(crate) fn given(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/tls").join(name)
}

/// A server that speaks TLS with copies of a certificate and a key.
pub(crate) fn speaking_tls(certificate: &str, key: &str) -> ServerBuilder {
    let builder = server().listen(["tls://127.0.0.1:0"]);
    show(builder.scratch().path(), certificate, key);
    let (certificate, key) = (builder.scratch().join("tls.crt"), builder.scratch().join("tls.key"));
    builder.section(&format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}"))
}

/// Puts other files in the place of those the server was told of.
pub(crate) fn show(directory: &Path, certificate: &str, key: &str) {
    fs::copy(given(certificate), directory.join("tls.crt")).unwrap();
    fs::copy(given(key), directory.join("tls.key")).unwrap();
}
