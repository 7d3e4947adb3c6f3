//! Files that others change too, and addresses of all forms.

use std::{fs, net::TcpListener, process::Command, thread, time::Duration};

use rns_testing::{Nix, Standard, run};

use super::User;
use crate::support::{
    PUBLIC_KEY, canned::Canned, eventually, full, is_installed, private::Private, private::private,
    serve,
};

#[test]
fn a_change_that_is_made_while_the_question_is_asked_is_not_lost() {
    if !is_installed("script") {
        return;
    }
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    fs::create_dir_all(user.conf().parent().unwrap()).unwrap();
    fs::write(user.conf(), "max-jobs = 3\n").unwrap();
    let line = format!("'{}' use '{}'", env!("CARGO_BIN_EXE_rust-nix-serve"), server.url());
    // The answer comes after the editor of the same user has written.
    let asked = user.scratch.join("asked");
    let line = format!(
        "{{ until [ -e '{0}.go' ]; do sleep 0.05; done; echo y; }} | \
         script --quiet --return --flush --command \"{line}\" '{0}'",
        asked.display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env("XDG_CONFIG_HOME", user.scratch.join("config"));
    shell.env("HOME", user.scratch.path()).env("NIX_CONF_DIR", user.etc());
    let done = thread::scope(|scope| {
        let done = scope.spawn(|| run(&mut shell, Duration::from_secs(120)));
        eventually(|| fs::read_to_string(&asked).is_ok_and(|text| text.contains("[y/N]")));
        fs::write(user.conf(), "max-jobs = 3\ncores = 2\n").unwrap();
        fs::write(asked.with_extension("go"), "").unwrap();
        done.join().unwrap()
    });
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(done.text().contains("was changed meanwhile"), "{done:?}");
    assert_eq!(fs::read_to_string(user.conf()).unwrap(), "max-jobs = 3\ncores = 2\n");
}

#[test]
fn many_at_once_lose_nothing_of_each_other() {
    let (standard, user) = (Standard::new(), User::new());
    let servers: Vec<_> = (0..4).map(|_| serve(&standard.store)).collect();
    let all = |more: &[&str]| {
        thread::scope(|scope| {
            for server in &servers {
                let arguments = [&[server.url(), "--yes"], more].concat();
                let user = &user;
                scope.spawn(move || user.run(&arguments).success());
            }
        });
    };
    all(&[]);
    let conf = fs::read_to_string(user.conf()).unwrap();
    for server in &servers {
        assert!(conf.contains(&format!("extra-substituters = {}\n", server.url())), "{conf}");
    }
    all(&["--undo"]);
    assert!(!user.conf().exists());
}

#[test]
fn an_address_of_ipv6_has_an_entry_that_nix_finds() {
    let Some(nix) = Nix::v2_34() else { return };
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let (standard, user) = (Standard::new(), User::new());
    let (builder, file) = private(&standard.store, "anonymous = []");
    let token = crate::support::private::create(&file, "reader", &[]);
    let server = builder.listen(["[::1]:0"]).start();
    user.use_with_token(server.url(), &token).success();
    user.substitute(&nix, &full(&standard.executable)).success();
}

#[test]
fn login_and_parameters_of_an_address_count() {
    let Some(nix) = Nix::v2_34() else { return };
    let (private, user) = (Private::new(), User::new());
    let with = private.server.url().replace("://", &format!("://ci:{}@", private.token));
    let said = user.run(&[&format!("{with}/?priority=7"), "--yes"]).success();
    assert!(!said.text().contains(&private.token), "{}", said.text());
    let conf = fs::read_to_string(user.conf()).unwrap();
    let line = format!("extra-substituters = {}?priority=7\n", private.server.url());
    assert!(conf.contains(&line) && !conf.contains(&private.token), "{conf}");
    assert!(fs::read_to_string(user.netrc()).unwrap().contains("login ci password"));
    user.substitute(&nix, &full(&private.standard.executable)).success();
    user.run(&[private.server.url(), "--undo", "--yes"]).success();
    assert!(!user.netrc().exists() && !user.conf().exists());
}

#[test]
fn a_netrc_file_of_an_included_file_is_the_one_that_counts() {
    let (private, user) = (Private::new(), User::new());
    let netrc = user.scratch.write("mine", "machine a login b password c\n");
    let directory = user.conf().parent().unwrap().to_owned();
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("mine.conf"), format!("netrc-file = {}\n", netrc.display())).unwrap();
    fs::write(user.conf(), "!include mine.conf\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&netrc, mode).unwrap();
    user.use_with_token(private.server.url(), &private.token).success();
    assert!(!user.netrc().exists());
    assert!(fs::read_to_string(&netrc).unwrap().contains(&private.token));
    let conf = fs::read_to_string(user.conf()).unwrap();
    assert!(!conf.contains("netrc-file"), "{conf}");
}

#[test]
fn a_key_whose_name_means_more_is_refused() {
    let (_, key) = PUBLIC_KEY.split_once(':').unwrap();
    for name in ["a#b", "a\"b", "${evil}", "$(evil)", "a'b"] {
        let named = format!("{name}:{key}\n");
        let server = Canned::start(move |asked| match asked {
            "GET /nix-cache-info" => ("200 OK", "", "StoreDir: /nix/store\n".to_owned()),
            "GET /pubkey" => ("200 OK", "", named.clone()),
            _ => ("404 Not Found", "", String::new()),
        });
        let user = User::new();
        for more in [["--yes"].as_slice(), &["--print", "nixos"]] {
            let refused = user.run(&[&[&*server.url()], more].concat());
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            assert_eq!(refused.text(), "", "{refused:?}");
        }
        assert!(!user.conf().exists());
    }
}

#[test]
fn lines_that_nix_does_not_take_up_are_told_of() {
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    let told = |before: &[&str]| user.run_by(before, &[server.url(), "--yes"]).success().stderr;
    assert!(!told(&[]).contains("take this up"));
    // Later lines of the user's own, and of a CI service.
    let mut conf = fs::read_to_string(user.conf()).unwrap();
    conf.push_str("substituters = https://cache.example.org\n");
    fs::write(user.conf(), conf).unwrap();
    let said = told(&[]);
    assert!(said.contains("another line `substituters = …`"), "{said}");
    let said = told(&["env", "NIX_CONFIG=trusted-public-keys ="]);
    assert!(said.contains("another line `trusted-public-keys = …`"), "{said}");
}

#[test]
fn the_file_that_the_environment_names_is_the_users() {
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    let file = user.scratch.join("mine/nix.conf");
    let named = format!("NIX_USER_CONF_FILES={}:/nonexistent", file.display());
    user.run_by(&["env", &named], &[server.url(), "--yes"]).success();
    assert!(fs::read_to_string(&file).unwrap().contains(server.url()) && !user.conf().exists());
    user.run_by(&["env", &named], &[server.url(), "--yes", "--undo"]).success();
    assert!(!file.exists());
}

#[test]
fn a_user_whom_the_daemon_does_not_trust_is_told_so() {
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    let told = |before: &[&str]| {
        let said = user.run_by(before, &[server.url(), "--yes"]).success().stderr;
        user.run(&[server.url(), "--undo", "--yes"]).success();
        said.contains("does not trust somebody") && said.contains("--system")
    };
    let somebody = ["env", "USER=somebody"];
    assert!(told(&somebody) && !told(&["env", "USER=root"]));
    fs::create_dir_all(user.etc()).unwrap();
    fs::write(user.etc().join("nix.conf"), "trusted-users = root somebody\n").unwrap();
    assert!(!told(&somebody));
    fs::write(user.etc().join("nix.conf"), format!("trusted-substituters = {}\n", server.url()))
        .unwrap();
    assert!(!told(&somebody));
}
