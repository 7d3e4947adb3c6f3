//! The authorities that clients trust: those of one file, which is the one that Nix takes.

use std::path::Path;

use rns_testing::{Finished, Nix, Scratch, Standard, run};

use super::{PUSH_TIMEOUT, program};
use crate::support::{
    SECRET_KEY, full,
    tls::{given, speaking_tls},
};

/// The files that a user names, in the order of Nix.
#[derive(Clone, Copy)]
struct NamedFiles<'a> {
    conf: Option<&'a Path>,
    nix_variable: Option<&'a Path>,
    variable: Option<&'a Path>,
}

impl NamedFiles<'_> {
    /// Runs a command of a user who has named them.
    fn run(&self, arguments: &[&str], scratch: &Scratch) -> Finished {
        let mut command = program(arguments);
        let line = |file: &Path| format!("ssl-cert-file = {}\n", file.display());
        scratch.write("nix.conf", self.conf.map(line).unwrap_or_default());
        command.env("NIX_CONF_DIR", scratch.path()).env("HOME", scratch.path());
        command.env_remove("NIX_CONFIG").env_remove("XDG_CONFIG_HOME");
        for (name, file) in
            [("NIX_SSL_CERT_FILE", self.nix_variable), ("SSL_CERT_FILE", self.variable)]
        {
            command.env_remove(name);
            if let Some(file) = file {
                command.env(name, file);
            }
        }
        run(&mut command, PUSH_TIMEOUT)
    }
}

#[test]
fn one_file_is_trusted_which_is_the_one_of_nix() {
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let server =
        speaking_tls("issuer.crt", "issuer.key").store(&standard.store).keys([SECRET_KEY]).start();
    let (right, wrong) = (given("issuer-ca.crt"), given("ca.crt"));
    let (right, wrong) = (Some(right.as_path()), Some(wrong.as_path()));
    let root = standard.store.root().to_str().unwrap();
    let (url, path) = (server.url(), full(&standard.top));
    let commands = [
        vec!["push", "--attempts", "1", "--store", root, "--to", url, &path],
        vec!["pin", "list", "--to", url],
        vec!["use", url, "--print", "nixos"],
    ];
    // One that is set and empty stands for the file of the system.
    let empty = Some(Path::new(""));
    for (conf, nix_variable, variable, is_trusted) in [
        (None, empty, right, false),
        (empty, None, right, false),
        (right, wrong, wrong, true),
        (wrong, right, right, false),
        (None, right, wrong, true),
        (None, wrong, right, false),
        (None, None, right, true),
        (None, None, wrong, false),
    ] {
        let named = NamedFiles { conf, nix_variable, variable };
        for arguments in &commands {
            let done = named.run(arguments, &scratch);
            // This server takes no pushes, and has no roots.
            assert_eq!(done.status.code() != Some(3), is_trusted, "{arguments:?}: {done:?}");
        }
        // The judge of the order.
        let Some(nix) = Nix::v2_34() else { continue };
        let mut client = nix.client();
        if let Some(file) = conf {
            client = client.option("ssl-cert-file", file.to_str().unwrap());
        }
        for (name, file) in [("NIX_SSL_CERT_FILE", nix_variable), ("SSL_CERT_FILE", variable)] {
            if let Some(file) = file {
                client = client.env(name, file.to_str().unwrap());
            }
        }
        let client = client.option("download-attempts", "1");
        let asked = client.nix_command(["store", "ping", "--store", url]);
        assert_eq!(asked.status.success(), is_trusted, "{asked:?}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_setting() {
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let root = standard.store.root().to_str().unwrap();
    let (path, missing) = (full(&standard.top), scratch.join("missing.crt"));
    let no_pem = scratch.write("text.crt", "no certificate\n");
    let (missing, no_pem) = (Some(missing.as_path()), Some(no_pem.as_path()));
    let none = NamedFiles { conf: None, nix_variable: None, variable: None };
    for (named, by, file) in [
        (NamedFiles { conf: missing, ..none }, "ssl-cert-file in nix.conf", "missing.crt"),
        (NamedFiles { nix_variable: missing, ..none }, "NIX_SSL_CERT_FILE", "missing.crt"),
        (NamedFiles { variable: no_pem, ..none }, "SSL_CERT_FILE", "text.crt"),
    ] {
        let url = "https://127.0.0.1:1";
        for arguments in [
            vec!["push", "--store", root, "--to", url, &path],
            vec!["pin", "list", "--to", url],
            vec!["use", url, "--print", "nixos"],
            vec!["doctor", url, "--store", root],
        ] {
            let done = named.run(&arguments, &scratch);
            assert!(matches!(done.status.code(), Some(1 | 2)), "{arguments:?}: {done:?}");
            let told = &done.stderr;
            assert!(told.contains(file) && told.contains(by), "{arguments:?}: {told}");
        }
        // Nothing is asked of it where there is no TLS.
        let plain = named.run(&["pin", "list", "--to", "http://127.0.0.1:1"], &scratch);
        assert_eq!(plain.status.code(), Some(3), "{plain:?}");
    }
}
