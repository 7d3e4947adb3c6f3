//! `use`: a machine becomes a client of a cache, and ceases to be one.

mod changes;
mod credentials;
mod snippets;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command, time::Duration};

use rns_testing::{Finished, Nix, Scratch, Standard, run};

use crate::support::{
    OTHER_PUBLIC_KEY, PUBLIC_KEY, full, serve, server,
    tls::{given, speaking_tls},
};

/// A user of a machine.
struct User {
    scratch: Scratch,
}

impl User {
    fn new() -> Self {
        Self { scratch: Scratch::new() }
    }

    fn conf(&self) -> PathBuf {
        self.scratch.join("config/nix/nix.conf")
    }

    /// The directory of the system's configuration of Nix.
    fn etc(&self) -> PathBuf {
        self.scratch.join("etc")
    }

    /// The netrc file that this command makes.
    fn netrc(&self) -> PathBuf {
        self.scratch.join("config/nix/netrc")
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.run_by(&[], args)
    }

    /// Runs it by another program, such as `setpriv`.
    fn run_by(&self, before: &[&str], args: &[&str]) -> Finished {
        let words = [before, &[env!("CARGO_BIN_EXE_rust-nix-serve")]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("HOME", self.scratch.path())
            .env("XDG_CONFIG_HOME", self.scratch.join("config"));
        command.env("NIX_CONF_DIR", self.etc()).arg("use").args(args);
        command.stdin(std::process::Stdio::null());
        run(&mut command, Duration::from_secs(120))
    }

    /// Makes this cache one that the user reads with a token.
    fn use_with_token(&self, url: &str, token: &str) -> Finished {
        let token = self.scratch.write("token", token);
        self.run(&[url, "--token-file", token.to_str().unwrap(), "--yes"])
    }

    /// That a real Nix of this user reads a path from a cache.
    #[track_caller]
    fn assert_reads(&self, nix: &Nix, url: &str, path: &str) {
        let client = nix.client();
        fs::copy(client.scratch().join("conf/nix.conf"), self.etc().join("nix.conf")).unwrap();
        let mut command = client.command("nix");
        command.env("NIX_USER_CONF_FILES", self.conf()).env("NIX_CONF_DIR", self.etc());
        command.args(["copy", "--no-check-sigs", "--from", url, path]);
        run(&mut command, Duration::from_secs(120)).success();
    }

    /// The output of a real Nix of this user when it wants this path.
    fn substitute(&self, nix: &Nix, path: &str) -> Finished {
        let client = nix.client();
        let mut command = client.command("nix-store");
        command.env("NIX_USER_CONF_FILES", self.conf()).args(["--realise", path]);
        run(&mut command, Duration::from_secs(120))
    }
}

#[test]
fn real_nix_substitutes_after_it_and_not_after_undo() {
    let Some(nix) = Nix::v2_34() else { return };
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    let path = full(&standard.executable);
    user.substitute(&nix, &path).failure();
    let said = user.run(&[server.url(), "--yes"]).success();
    assert!(
        said.stderr.contains("it is your decision") && said.stderr.contains("sha256-"),
        "{}",
        said.stderr
    );
    assert!(
        said.text().contains(&format!("+ extra-substituters = {}", server.url())),
        "{}",
        said.text()
    );
    user.substitute(&nix, &path).success();
    let written = fs::read_to_string(user.conf()).unwrap();
    let again = user.run(&[server.url(), "--yes"]).success();
    assert_eq!(again.text(), "Nothing has to be changed.\n");
    assert_eq!(fs::read_to_string(user.conf()).unwrap(), written);
    user.run(&[server.url(), "--undo", "--yes"]).success();
    assert!(!user.conf().exists(), "it was made by the command alone");
}

#[test]
fn other_lines_stay_and_come_back_as_they_were() {
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    fs::create_dir_all(user.conf().parent().unwrap()).unwrap();
    let before = "# mine\nmax-jobs = 3\n\nextra-substituters = https://other.example.org\n";
    fs::write(user.conf(), before).unwrap();
    fs::set_permissions(user.conf(), fs::Permissions::from_mode(0o640)).unwrap();
    user.run(&[server.url(), "--yes", "--key", PUBLIC_KEY]).success();
    let after = fs::read_to_string(user.conf()).unwrap();
    assert!(after.starts_with(before) && after.contains(PUBLIC_KEY), "{after}");
    assert_eq!(fs::metadata(user.conf()).unwrap().permissions().mode() & 0o777, 0o640);
    user.run(&[server.url(), "--undo", "--yes"]).success();
    assert_eq!(fs::read_to_string(user.conf()).unwrap(), before);
}

#[test]
fn nothing_is_changed_for_another_key_or_without_a_yes() {
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    let refused = user.run(&[server.url(), "--yes", "--key", OTHER_PUBLIC_KEY]);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    let unasked = user.run(&[server.url()]);
    assert_eq!(unasked.status.code(), Some(1));
    assert!(unasked.text().contains("+ extra-substituters"), "the change is shown");
    assert!(!user.conf().exists());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = user.run(&[&format!("http://127.0.0.1:{port}"), "--yes"]);
    assert_eq!(away.status.code(), Some(3), "{}", away.stderr);
    let mistaken = user.run(&["file:///srv/cache", "--yes"]);
    assert_eq!(mistaken.status.code(), Some(2), "{}", mistaken.stderr);
}

#[test]
fn the_configuration_of_the_system_is_another_file() {
    let (standard, user) = (Standard::new(), User::new());
    let server = server().store(&standard.store).keys([crate::support::SECRET_KEY]).start();
    let done = user.run(&[server.url(), "--system", "--yes"]).success();
    assert!(done.text().ends_with("restart nix-daemon.service\n"), "{}", done.text());
    assert!(user.scratch.join("etc/nix.conf").exists() && !user.conf().exists());
    let undone = user.run(&[server.url(), "--undo", "--yes"]).success();
    assert_eq!(undone.text(), "Nothing has to be changed.\n");
    assert!(undone.stderr.contains("--system takes them out"), "{}", undone.stderr);
}

#[test]
fn a_cache_is_asked_for_its_keys_with_the_authority_that_nix_trusts() {
    let (standard, user) = (Standard::new(), User::new());
    let server = speaking_tls("issuer.crt", "issuer.key")
        .store(&standard.store)
        .keys([crate::support::SECRET_KEY])
        .start();
    let refused = user.run(&[server.url(), "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    fs::create_dir_all(user.etc()).unwrap();
    let authority = format!("ssl-cert-file = {}\n", given("issuer-ca.crt").display());
    fs::write(user.etc().join("nix.conf"), authority).unwrap();
    user.run(&[server.url(), "--yes"]).success();
    assert!(fs::read_to_string(user.conf()).unwrap().contains(server.url()));
}
