//! Client certificates, and those who show them.

use std::{path::Path, process::Command, time::Duration};

use rns_testing::{Client, run};

/// A file in `tests/data/tls`.
pub(crate) fn given(name: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/tls");
    data.join(name).to_str().unwrap().to_owned()
}

/// Permissions by certificate: certificates with such a subject may read, and no other client may do anything.
pub(crate) const RULES: &str = "[access]\nanonymous = []\nsubjects = [\"read: CN=ci, O=Ex\u{e4}mple\\\\, Inc.\"]\nfailure_delay = \"10ms\"\n";

/// The status that curl gets with the certificate of this name; `000` if there is no connection at all.
pub(crate) fn status(url: &str, certificate: Option<&str>) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--noproxy", "*", "--output", "/dev/null"]);
    command.args(["--write-out", "%{http_code}", "--cacert", &given("one.crt"), url]);
    if let Some(name) = certificate {
        command.args(["--cert", &given(&format!("{name}.crt"))]);
        command.args(["--key", &given(&format!("{name}.key"))]);
    }
    run(&mut command, Duration::from_secs(60)).text()
}

/// The URL of a cache for Nix that is to show a certificate.
pub(crate) fn showing(url: &str, certificate: &str) -> String {
    let file = |kind: &str| given(&format!("{certificate}.{kind}"));
    format!("{url}?tls-certificate={}&tls-private-key={}", file("crt"), file("key"))
}

/// A fresh machine with the Nix that can show a certificate.
pub(crate) fn client() -> Option<Client> {
    let nix = rns_testing::Nix::v2_34()?;
    Some(nix.client().env("NIX_SSL_CERT_FILE", given("one.crt")))
}
