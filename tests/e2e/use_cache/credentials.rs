//! Tokens for private caches, in the netrc file that Nix reads.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rns_testing::Nix;

use super::User;
use crate::support::{full, is_installed, private::Private};

#[test]
fn real_nix_reads_a_private_cache_after_it() {
    let Some(nix) = Nix::v2_34() else { return };
    let (private, user) = (Private::new(), User::new());
    let token = user.scratch.write("token", &private.token);
    let url = private.server.url();
    user.run(&[url, "--yes"]).failure();
    let said = user.run(&[url, "--token-file", token.to_str().unwrap(), "--yes"]).success();
    assert!(
        !said.text().contains(&private.token) && said.text().contains("password …"),
        "{}",
        said.text()
    );
    let netrc = user.netrc();
    assert_eq!(fs::metadata(&netrc).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&netrc).unwrap().contains("login"));
    user.substitute(&nix, &full(&private.standard.executable)).success();
    user.run(&[url, "--undo", "--yes"]).success();
    assert!(!netrc.exists() && !user.conf().exists());
}

#[test]
fn credentials_for_other_hosts_go_on_to_work_for_real_nix() {
    let Some(nix) = Nix::v2_34() else { return };
    let (earlier, new, user) = (Private::new(), Private::new(), User::new());
    fs::create_dir(user.etc()).unwrap();
    let of_system = user.etc().join("netrc");
    let text = format!("machine 127.0.0.1\n  login \"the ci\"\n  password {}\n", earlier.token);
    fs::write(&of_system, &text).unwrap();
    let path = full(&new.standard.executable);
    // The same machine, by another name.
    let url = new.server.url().replace("127.0.0.1", "localhost");
    let said = user.use_with_token(&url, &new.token).success();
    assert!(said.stderr.contains("takes the place of"), "{}", said.stderr);
    let shown = said.text();
    assert!(!shown.contains(&new.token) && !shown.contains(&earlier.token), "{shown}");
    user.assert_reads(&nix, &url, &path);
    user.assert_reads(&nix, earlier.server.url(), &path);
    assert_eq!(fs::read_to_string(&of_system).unwrap(), text);
    let again = user.use_with_token(&url, &new.token).success();
    assert_eq!(again.text(), "Nothing has to be changed.\n");
    // A change of the file of the system is taken over.
    let other = text.replace("the ci", "another");
    fs::write(&of_system, other).unwrap();
    user.use_with_token(&url, &new.token).success();
    assert!(fs::read_to_string(user.netrc()).unwrap().contains("login another"));
    user.run(&[&url, "--undo", "--yes"]).success();
    assert!(!user.netrc().exists() && !user.conf().exists());
}

#[test]
fn an_undo_leaves_files_exactly_as_they_were() {
    let (private, user) = (Private::new(), User::new());
    let netrc = user.scratch.write("mine", "machine a password b\ndefault password c");
    let conf = format!("netrc-file = {}\nmax-jobs = 3", netrc.display());
    fs::create_dir_all(user.conf().parent().unwrap()).unwrap();
    fs::write(user.conf(), &conf).unwrap();
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::read_to_string(&netrc).unwrap();
    let url = private.server.url();
    user.use_with_token(url, &private.token).success();
    // Before the entry that is for every host.
    let with = fs::read_to_string(&netrc).unwrap();
    assert!(with.ends_with(&before) && with.find(&private.token) < with.find("default"), "{with}");
    assert!(!user.netrc().exists());
    let mode = || fs::metadata(&netrc).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o640);
    let again = user.use_with_token(url, &private.token).success();
    assert_eq!(again.text(), "Nothing has to be changed.\n");
    user.run(&[url, "--undo", "--yes"]).success();
    assert_eq!(fs::read_to_string(&netrc).unwrap(), before);
    assert_eq!(fs::read_to_string(user.conf()).unwrap(), conf);
    assert_eq!(mode(), 0o640);
}

#[test]
fn two_private_caches_do_not_depend_on_each_other() {
    let Some(nix) = Nix::v2_34() else { return };
    let (first, second, user) = (Private::new(), Private::new(), User::new());
    fs::create_dir(user.etc()).unwrap();
    fs::write(user.etc().join("netrc"), "default login all password others\n").unwrap();
    let second_url = second.server.url().replace("127.0.0.1", "localhost");
    user.use_with_token(first.server.url(), &first.token).success();
    user.use_with_token(&second_url, &second.token).success();
    let path = full(&first.standard.executable);
    user.assert_reads(&nix, first.server.url(), &path);
    user.assert_reads(&nix, &second_url, &path);
    for (url, token) in [(first.server.url(), &first.token), (&second_url, &second.token)] {
        let again = user.use_with_token(url, token).success();
        assert_eq!(again.text(), "Nothing has to be changed.\n", "{url}");
    }
    user.run(&[first.server.url(), "--undo", "--yes"]).success();
    user.assert_reads(&nix, &second_url, &path);
    assert!(fs::read_to_string(user.netrc()).unwrap().contains("login all"));
    user.run(&[&second_url, "--undo", "--yes"]).success();
    assert!(!user.netrc().exists() && !user.conf().exists());
}

#[test]
fn a_netrc_file_that_cannot_be_read_is_not_hidden() {
    let (private, user) = (Private::new(), User::new());
    fs::create_dir(user.etc()).unwrap();
    let of_system = user.etc().join("netrc");
    fs::write(&of_system, "machine a login b password c\n").unwrap();
    fs::set_permissions(&of_system, fs::Permissions::from_mode(0o000)).unwrap();
    // Without capabilities, root is a user like others.
    let weak = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let before: &[&str] = if rustix::process::geteuid().is_root() { &weak } else { &[] };
    if !before.is_empty() && !is_installed(before[0]) {
        return;
    }
    let token = user.scratch.write("token", &private.token);
    let arguments = [private.server.url(), "--token-file", token.to_str().unwrap(), "--yes"];
    let refused = user.run_by(before, &arguments);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = &refused.stderr;
    assert!(said.contains("would hide its entries") && said.contains("--system"), "{said}");
    assert!(!user.conf().exists() && !user.netrc().exists());
}

#[test]
fn no_token_goes_into_a_file_that_everyone_reads() {
    let (private, user) = (Private::new(), User::new());
    let without = user.run(&[private.server.url(), "--yes"]);
    assert_eq!(without.status.code(), Some(1), "{without:?}");
    assert!(without.stderr.contains("--token-file FILE"), "{}", without.stderr);
    fs::create_dir(user.etc()).unwrap();
    let netrc = user.etc().join("netrc");
    fs::write(&netrc, "machine a login b password c\n").unwrap();
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o644)).unwrap();
    let token = user.scratch.write("token", &private.token);
    let arguments =
        [private.server.url(), "--system", "--token-file", token.to_str().unwrap(), "--yes"];
    let refused = user.run(&arguments);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains("chmod o="), "{}", refused.stderr);
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o640)).unwrap();
    user.run(&arguments).success();
    let text = fs::read_to_string(&netrc).unwrap();
    assert!(text.contains(&private.token) && text.ends_with("machine a login b password c\n"));
    let conf = fs::read_to_string(user.etc().join("nix.conf")).unwrap();
    assert!(!conf.contains("netrc-file"), "Nix reads it without: {conf}");
    let rest = user.run(&[private.server.url(), "--system", "--undo", "--yes"]).success();
    assert!(!rest.text().contains(&private.token), "{}", rest.text());
    assert_eq!(fs::read_to_string(&netrc).unwrap(), "machine a login b password c\n");
}

#[test]
fn a_later_run_without_the_token_keeps_it() {
    let (public, user) = (Private::with("anonymous = [\"read\"]"), User::new());
    user.use_with_token(public.server.url(), &public.token).success();
    let again = user.run(&[public.server.url(), "--yes"]).success();
    assert_eq!(again.text(), "Nothing has to be changed.\n");
}
