//! Faults in the files of a client: netrc and nix.conf.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{Diagnosis, Doctor, mending::netrc_line};
use crate::support::{PUBLIC_KEY, private::Private, serve, write_key};

/// A look at a private cache with this netrc file, where `TOKEN` stands for the token.
fn with_netrc(text: &str, mode: u32) -> Diagnosis {
    let private = Private::new();
    let doctor = Doctor::of(private.server.url()).store(private.standard.store.root());
    let netrc = doctor.scratch.join("netrc");
    write_key(&netrc, &text.replace("TOKEN", &private.token));
    fs::set_permissions(&netrc, fs::Permissions::from_mode(mode)).unwrap();
    doctor.args(["--key", PUBLIC_KEY]).run()
}

#[test]
fn a_netrc_entry_without_a_login() {
    assert_netrc("machine 127.0.0.1 password TOKEN\n", "netrc-no-login");
}

/// That this netrc file has this fault, and none with the line that mends it.
#[track_caller]
fn assert_netrc(text: &str, id: &str) {
    let private = Private::new();
    let mut doctor = Doctor::of(private.server.url()).args(["--key", PUBLIC_KEY]);
    let netrc = doctor.scratch.join("netrc");
    write_key(&netrc, &text.replace("TOKEN", &private.token));
    let diagnosis = doctor.look();
    diagnosis.names(&[id]);
    let (file, line) = netrc_line(&diagnosis, &private.token);
    assert_eq!(file, netrc);
    write_key(&netrc, &line);
    doctor.run().is_silent();
}

#[test]
fn a_netrc_file_for_another_host() {
    assert_netrc("machine cache.example.org login ci password TOKEN\n", "netrc-other-host");
}

#[test]
fn a_netrc_file_without_an_entry_for_the_cache() {
    let diagnosis = with_netrc("# nothing yet\n", 0o600);
    diagnosis.names(&["credential-missing"]);
    let what = diagnosis.json["findings"][0]["what"].as_str().unwrap();
    assert!(what.ends_with("/netrc has no entry for 127.0.0.1"), "{what}");
    let diagnosis = with_netrc("machine 127.0.0.1 login ci\n", 0o600);
    diagnosis.names(&["credential-missing"]);
    let what = diagnosis.json["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains("the entry for 127.0.0.1 in") && what.ends_with("no password"), "{what}");
}

#[test]
fn a_netrc_file_with_another_login_than_the_url() {
    let private = Private::new();
    let url = private.server.url().replace("://", "://reader@");
    let mut doctor = Doctor::of(&url).args(["--key", PUBLIC_KEY]);
    let netrc = doctor.scratch.join("netrc");
    write_key(&netrc, "machine 127.0.0.1 login other password x\n");
    let diagnosis = doctor.look();
    diagnosis.names(&["credential-missing"]);
    let (_, line) = netrc_line(&diagnosis, &private.token);
    assert!(line.contains(" login reader "), "{line}");
    write_key(&netrc, &format!("machine 127.0.0.1 login other password x\n{line}"));
    doctor.run().is_silent();
}

#[test]
fn a_private_cache_of_nix_conf_without_a_netrc_file() {
    let private = Private::new();
    let url = private.server.url();
    let conf = format!("substituters = {url}\ntrusted-public-keys = {PUBLIC_KEY}\n");
    let doctor = Doctor::here().nix_conf(&conf);
    let netrc = doctor.scratch.join("netrc");
    let diagnosis = doctor.run();
    diagnosis.names(&["credential-missing"]);
    let what = diagnosis.json["findings"][0]["what"].as_str().unwrap();
    assert!(what.ends_with(&format!("there is no {}", netrc.display())), "{what}");
    let mend = format!("{}: machine 127.0.0.1 login NAME password TOKEN", netrc.display());
    assert_eq!(diagnosis.mend(), mend);
}

#[test]
fn a_netrc_file_of_another_user() {
    let private = Private::new();
    let doctor = Doctor::of(private.server.url()).args(["--key", PUBLIC_KEY]);
    let line = format!("machine 127.0.0.1 login ci password {}\n", private.token);
    let netrc = doctor.scratch.write("netrc", line);
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o000)).unwrap();
    let mut doctor = doctor.arg("--netrc-file").arg(netrc).unprivileged();
    let diagnosis = doctor.look();
    diagnosis.names(&["netrc-unreadable"]);
    diagnosis.mend_in_shell(None);
    doctor.run().is_silent();
}

#[test]
fn a_netrc_file_that_only_the_daemon_reads_is_no_fault() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let private = Private::new();
    let doctor = Doctor::of(private.server.url()).args(["--key", PUBLIC_KEY]);
    let netrc = doctor.scratch.join("netrc");
    write_key(&netrc, &format!("machine 127.0.0.1 login ci password {}\n", private.token));
    let diagnosis = doctor.unprivileged().run();
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 4), "{:#}", diagnosis.json);
    let unchecked = diagnosis.json["unchecked"].to_string();
    assert!(unchecked.contains("is for root alone: run this as root"), "{unchecked}");
}

#[test]
fn a_token_file_that_is_not_there_is_a_mistake_of_the_user() {
    let mut doctor = Doctor::of("http://127.0.0.1:1").args(["--token-file", "/nonexistent/token"]);
    let done = rns_testing::run(&mut doctor.command, std::time::Duration::from_secs(60));
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(done.stderr.contains("cannot use --token-file"), "{}", done.stderr);
}

#[test]
fn a_client_may_name_its_store_and_is_no_server() {
    let standard = rns_testing::Standard::new();
    let diagnosis = Doctor::here().store(standard.store.root()).run();
    diagnosis.is_silent();
    let sound = diagnosis.json["sound"].as_array().unwrap();
    let checks: Vec<_> = sound.iter().map(|one| one["check"].as_str().unwrap()).collect();
    assert!(!checks.contains(&"database"), "{checks:?}");
}

#[test]
fn caches_of_nix_conf_that_were_not_asked_are_named() {
    let standard = rns_testing::Standard::new();
    let conf = "substituters = http://127.0.0.1:1/a\ntrusted-public-keys =\n";
    let diagnosis = Doctor::here().nix_conf(conf).store(standard.store.root()).run();
    let hints = diagnosis.json["hints"].as_array().unwrap();
    let hint = hints.iter().find(|hint| hint["check"] == "caches").unwrap();
    assert!(hint["what"].as_str().unwrap().contains("http://127.0.0.1:1/a"), "{hint}");
    assert_eq!(hint["mend"], "rust-nix-serve doctor http://127.0.0.1:1/a");
}

#[test]
fn a_netrc_file_that_everybody_can_read() {
    let line = "machine 127.0.0.1 login ci password TOKEN\n";
    let diagnosis = with_netrc(line, 0o644);
    diagnosis.names(&["netrc-open"]);
    assert!(diagnosis.mend().starts_with("chmod 600 "), "{}", diagnosis.mend());
}

#[test]
fn a_netrc_file_that_cannot_be_read() {
    let private = Private::new();
    let mut doctor = Doctor::of(private.server.url()).args(["--key", PUBLIC_KEY]);
    // Root reads every file, and no directory as one.
    let netrc = doctor.scratch.join("netrc");
    fs::create_dir(&netrc).unwrap();
    let diagnosis = doctor.look();
    diagnosis.names(&["netrc-unreadable"]);
    diagnosis.mend_in_shell(None);
    doctor.run().names(&["credential-missing"]);
}

#[test]
fn a_cache_that_the_daemon_ignores() {
    let standard = rns_testing::Standard::new();
    let server = serve(&standard.store);
    let url = server.url();
    let look = |conf: &str| {
        let doctor = Doctor::of(url).env("USER", "alice").args(["--key", PUBLIC_KEY]);
        let user = doctor.scratch.write("user.conf", format!("extra-substituters = {url}\n"));
        let conf = format!("substituters =\ntrusted-public-keys =\n{conf}");
        doctor.nix_conf(&conf).env("NIX_USER_CONF_FILES", user).run()
    };
    let diagnosis = look("");
    diagnosis.names(&["user-not-trusted"]);
    let (file, line) = diagnosis.mend().split_once(": ").unwrap();
    assert!(file.ends_with("/nix.conf"), "{file}");
    look(line).is_silent();
    look("trusted-users = root alice\n").is_silent();
}

#[test]
fn the_cache_that_nix_uses_by_itself_is_not_ignored() {
    let standard = rns_testing::Standard::new();
    let doctor = Doctor::here().env("USER", "alice").store(standard.store.root());
    let user = doctor.scratch.write("user.conf", "extra-substituters = http://127.0.0.1:1\n");
    // A nix.conf that says nothing of caches, as installers leave it.
    let doctor = doctor.nix_conf("sandbox = false\n").env("NIX_USER_CONF_FILES", user);
    let diagnosis = doctor.run();
    diagnosis.names(&["user-not-trusted"]);
    assert!(diagnosis.mend().ends_with(" = http://127.0.0.1:1"), "{}", diagnosis.mend());
}
