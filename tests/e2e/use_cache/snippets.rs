//! Lines that are printed to be pasted elsewhere.

use std::{fs, process::Command, time::Duration};

use rns_testing::{Nix, Standard, run};

use super::User;
use crate::support::{PUBLIC_KEY, full, private::Private, serve};

/// A line of a script as it is without the indentation of YAML.
fn bare(line: &str) -> String {
    format!("{}\n", line.strip_prefix("    ").unwrap_or_default())
}

#[test]
fn snippets_name_the_cache_and_its_keys() {
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    for place in ["nixos", "github", "gitlab"] {
        let said = user.run(&[server.url(), "--print", place]).success().text();
        assert!(said.contains(server.url()) && said.contains(PUBLIC_KEY), "{said}");
    }
    assert!(!user.conf().exists());
}

#[test]
fn snippets_work_where_they_are_pasted() {
    let Some(nix) = Nix::v2_34() else { return };
    let (standard, user) = (Standard::new(), User::new());
    let server = serve(&standard.store);
    let path = full(&standard.executable);
    let printed = |place| user.run(&[server.url(), "--print", place]).success().text();
    let patience = Duration::from_secs(120);

    let gitlab = printed("gitlab");
    let (_, lines) = gitlab.split_once("variables:\n  NIX_CONFIG: |\n").unwrap();
    assert!(lines.lines().all(|line| line.starts_with("    ")), "{gitlab}");
    let client = nix.client();
    let mut command = client.command("nix-store");
    run(command.env("NIX_CONFIG", lines).args(["--realise", &path]), patience).success();

    let github = printed("github");
    let (_, script) = github.split_once("  run: |\n").unwrap();
    let script: String = script.lines().map(bare).collect();
    // The last line of another has no end.
    let conf = user.scratch.write("nix.conf", "max-jobs = 3");
    let script = script
        .replace("sudo tee -a /etc/nix/nix.conf", &format!("tee -a {}", conf.display()))
        .replace("sudo systemctl restart nix-daemon", "false");
    let script = user.scratch.write("script", script);
    run(Command::new("bash").arg("-e").arg(script), patience).success();
    let client = nix.client();
    let mut command = client.command("nix-store");
    command.env("NIX_USER_CONF_FILES", &conf).args(["--realise", &path]);
    run(&mut command, patience).success();
    assert!(fs::read_to_string(&conf).unwrap().contains("max-jobs = 3\n"));

    let expression = format!("{{ {} }}", printed("nixos"));
    let client = nix.client();
    let mut command = client.command("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--expr", &expression]);
    let read = run(&mut command, patience).success().text();
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    let settings = &read["nix"]["settings"];
    assert_eq!(settings["extra-substituters"][0], server.url());
    assert_eq!(settings["extra-trusted-public-keys"][0], PUBLIC_KEY);
}

#[test]
fn snippets_of_a_private_cache_have_its_netrc_file_and_no_token() {
    let Some(nix) = Nix::v2_34() else { return };
    let (private, user) = (Private::new(), User::new());
    let (url, path) = (private.server.url(), full(&private.standard.executable));
    let token = user.scratch.write("token", &private.token);
    let with_file = ["--token-file", token.to_str().unwrap()];
    let netrc = user.scratch.join("netrc");
    let here = |text: &str| text.replace("/etc/nix/netrc", netrc.to_str().unwrap());
    let patience = Duration::from_secs(120);
    for place in ["nixos", "github", "gitlab"] {
        let given = user.run(&[&[url, "--print", place], &with_file[..]].concat()).success();
        // The token may be that of another machine, where the key is known.
        let stated = user.run(&[url, "--print", place, "--key", PUBLIC_KEY]).success();
        assert_eq!(given.text(), stated.text());
        assert!(!given.text().contains(&private.token), "{given:?}");
        let keyless = user.run(&[url, "--print", place]);
        assert_eq!(keyless.status.code(), Some(1), "{keyless:?}");
    }
    let printed = |place| user.run(&[url, "--print", place, "--key", PUBLIC_KEY]).success().text();

    let gitlab = here(&printed("gitlab"));
    let (_, lines) = gitlab.split_once("variables:\n  NIX_CONFIG: |\n").unwrap();
    let (conf, script) = lines.split_once("before_script:\n").unwrap();
    let (_, script) = script.split_once("  - |\n").unwrap();
    let script = user.scratch.write("gitlab", script);
    let mut shell = Command::new("sh");
    run(shell.arg("-e").arg(script).env("CACHE_TOKEN", &private.token), patience).success();
    let client = nix.client();
    let mut command = client.command("nix-store");
    run(command.env("NIX_CONFIG", conf).args(["--realise", &path]), patience).success();
    fs::remove_file(&netrc).unwrap();

    let github = here(&printed("github"));
    assert!(github.contains("  env:\n    CACHE_TOKEN: ${{ secrets.CACHE_TOKEN }}\n"), "{github}");
    let (_, script) = github.split_once("  run: |\n").unwrap();
    let conf = user.scratch.join("nix.conf");
    let script: String = script.lines().map(bare).collect();
    let script = script.replace("/etc/nix/nix.conf", conf.to_str().unwrap());
    let script = script.replace("sudo systemctl restart nix-daemon", "false").replace("sudo ", "");
    let script = user.scratch.write("github", script);
    let mut shell = Command::new("bash");
    run(shell.arg("-e").arg(script).env("CACHE_TOKEN", &private.token), patience).success();
    let client = nix.client();
    let mut command = client.command("nix-store");
    command.env("NIX_USER_CONF_FILES", &conf).args(["--realise", &path]);
    run(&mut command, patience).success();

    let nixos = printed("nixos");
    assert!(nixos.contains("machine 127.0.0.1 login rust-nix-serve password TOKEN"), "{nixos}");
    let expression = format!("{{ {nixos} }}.nix.settings.netrc-file");
    let client = nix.client();
    let mut command = client.command("nix-instantiate");
    command.args(["--eval", "--expr", &expression]);
    assert_eq!(run(&mut command, patience).success().text().trim(), "\"/etc/nix/netrc\"");
}
