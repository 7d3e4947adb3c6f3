//! `token create`, `list`, `revoke` and `check`.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    thread,
};

use rns_testing::Scratch;

use crate::{answer, code, key::fed, program};

/// Makes a token in this file, and returns it.
fn create(file: &Path, name: &str, more: &[&str]) -> String {
    let arguments = ["token", "create", name, "--file", file.to_str().unwrap()];
    answer(arguments.iter().chain(more)).success().text().trim().to_owned()
}

/// The result of `token check` for a secret: its exit code, and both its outputs.
fn check(file: &Path, secret: &str) -> (i32, String) {
    let mut command = program();
    command.args(["token", "check", "--file", file.to_str().unwrap()]);
    let (code, said, error) = fed(&mut command, secret);
    assert!(
        !format!("{said}{error}").contains(secret.trim()),
        "it shows the secret: {said}{error}"
    );
    (code, said + &error)
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().mode() & 0o7777
}

#[test]
fn a_token_is_printed_once_and_its_file_holds_only_the_hash() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    let place = file.to_str().unwrap();
    let made = answer(["token", "create", "ci", "--allow", "read,push", "--file", place]).success();
    let token = made.text();
    assert!(token.starts_with("rns_") && token.len() == 48, "{token}");
    let digits = token.trim().strip_prefix("rns_").unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\nci sha256:")
            && text.contains(" expires=20")
            && text.ends_with(" allow=read,push\n"),
        "{text}"
    );
    assert!(!text.contains(digits) && !made.stderr.contains(digits));
    assert!(made.stderr.contains("login ci password TOKEN"), "{}", made.stderr);
    assert_eq!(mode(&file), 0o640);

    let (code, said) = check(&file, &token);
    assert_eq!(code, 0);
    assert!(said.starts_with("ci: read,push, until 20"), "{said}");
    assert_ne!(create(&file, "other", &[]), token.trim());
}

#[test]
fn the_hash_is_the_one_that_sha256sum_prints() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    let token = create(&file, "ci", &[]);
    let (_, hash, _) = fed(&mut std::process::Command::new("sha256sum"), &token);
    let hash = hash.split(' ').next().unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains(&format!("ci sha256:{hash} ")));
}

#[test]
fn without_a_file_the_line_for_it_is_printed_beside_the_token() {
    let scratch = Scratch::new();
    let wish = ["--expires", "never", "--paths", "hello-*,vim-?"];
    let arguments = ["token", "create", "ci", "--file", "-"];
    let made = answer(arguments.iter().chain(&wish)).success();
    let line = made.stderr.lines().find(|line| line.starts_with("ci sha256:")).unwrap();
    assert!(line.ends_with(" paths=hello-*,vim-? expires=never allow=read"), "{line}");
    let file = scratch.write("tokens", format!("{line}\n"));
    let (code, said) = check(&file, &made.text());
    assert_eq!((code, said.as_str()), (0, "ci: read, until never  paths hello-*,vim-?\n"));
}

#[test]
fn what_makes_no_sense_makes_no_token() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    let refused = |arguments: &[&str], expected: &str| {
        let place = ["token", "create", "--file", file.to_str().unwrap()];
        let refused = answer(place.iter().chain(arguments));
        assert_eq!((code(&refused), refused.text().as_str()), (2, ""), "{arguments:?}");
        assert!(refused.stderr.contains(expected), "{arguments:?}: {}", refused.stderr);
    };
    refused(&["a b"], "a name has");
    refused(&["ci", "--allow", "wirte"], "`wirte`");
    refused(&["ci", "--allow", ""], "no permission");
    refused(&["ci", "--expires", "90"], "90d");
    refused(&["ci", "--expires", "2001-01-01"], "in the past");
    refused(&["ci", "--paths", "/nix/store/x"], "'/'");
    assert!(!file.exists());
    create(&file, "ci", &[]);
    let before = fs::read_to_string(&file).unwrap();
    refused(&["ci"], "the name ci is taken; choose another one");
    refused(&["ci"], "`rust-nix-serve token revoke ci`");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn revoking_takes_out_one_line_and_leaves_the_rest_as_it_was() {
    let scratch = Scratch::new();
    let real = scratch.join("real");
    let file = scratch.join("link");
    symlink(&real, &file).unwrap();
    create(&real, "before", &[]);
    let mut text = fs::read_to_string(&real).unwrap() + "# Bob's laptop\n";
    fs::write(&real, &text).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).unwrap();
    let token = create(&file, "bob", &[]);
    let with_bob = fs::read_to_string(&real).unwrap();
    assert!(with_bob.starts_with(&text));
    create(&file, "after", &[]);
    assert_eq!(check(&file, &token).0, 0);

    text = fs::read_to_string(&real).unwrap();
    let bob = text.lines().find(|line| line.starts_with("bob ")).unwrap();
    let expected = text.replace(&format!("{bob}\n"), "");
    let revoke = ["token", "revoke", "bob", "--file", file.to_str().unwrap()];
    answer(revoke).success();
    assert_eq!(fs::read_to_string(&real).unwrap(), expected);
    assert_eq!(mode(&real), 0o604);
    assert!(file.is_symlink());
    let (code_of_check, said) = check(&file, &token);
    assert_eq!((code_of_check, said.as_str()), (1, "unknown token\n"));
    let again = answer(revoke);
    assert_eq!(code(&again), 2);
    assert!(again.stderr.contains("there is no token bob"), "{}", again.stderr);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn revoking_works_on_a_file_with_problems_and_names_them() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    create(&file, "bob", &[]);
    fs::write(&file, fs::read_to_string(&file).unwrap() + "nonsense\n").unwrap();
    let revoked = answer(["token", "revoke", "bob", "--file", file.to_str().unwrap()]);
    assert_eq!(code(&revoked), 1);
    assert!(revoked.stderr.contains("line 3: expected `sha256:`"), "{}", revoked.stderr);
    assert!(!fs::read_to_string(&file).unwrap().contains("bob"));
}

#[test]
fn many_who_write_at_the_same_time_lose_nothing() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    let names: Vec<String> = (0..12).map(|number| format!("t{number}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| create(&file, name, &[]));
        }
    });
    let listed = answer(["token", "list", "--file", file.to_str().unwrap()]).success().text();
    for name in &names {
        assert!(listed.lines().any(|line| line.starts_with(&format!("{name} "))), "{listed}");
    }
}

#[test]
fn the_list_says_what_each_token_is_for() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    create(&file, "laptop", &["--expires", "never"]);
    create(&file, "ci", &["--allow", "read,push", "--expires", "never", "--paths", "x-*"]);
    let old = "old sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 \
               allow=metrics expires=2001-01-01T00:00:00Z\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + old).unwrap();
    let listed = answer(["token", "list", "--file", file.to_str().unwrap()]).success().text();
    assert_eq!(
        listed,
        "laptop  read       never\n\
         ci      read,push  never  paths x-*\n\
         old     metrics    2001-01-01T00:00:00Z (expired)\n"
    );
}

#[test]
fn a_token_that_is_no_good_is_a_negative_answer_with_its_reason() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    let token = create(&file, "ci", &[]);
    let text = fs::read_to_string(&file).unwrap();
    let expires = text.split("expires=").nth(1).unwrap().split(' ').next().unwrap();
    fs::write(&file, text.replace(expires, "2001-01-01T00:00:00Z")).unwrap();
    assert_eq!(check(&file, &token), (1, "the token ci has expired\n".to_owned()));
    let (code, said) = check(&file, "s3cret");
    assert_eq!(code, 1);
    assert!(said.contains("`rns_`"), "{said}");
    let (code, said) = check(&file, token.get(..30).unwrap());
    assert_eq!(code, 1);
    assert!(said.contains("47 characters, and this has 30"), "{said}");
}

#[test]
fn the_configuration_names_the_file_and_the_host() {
    let scratch = Scratch::new();
    let file = scratch.join("tokens");
    let configuration = scratch.write(
        "config.toml",
        format!("public_url = \"https://nix.example.com:8443\"\n[access]\nanonymous = []\ntokens = {file:?}\n"),
    );
    let place = ["--config", configuration.to_str().unwrap()];
    let made = answer(["token", "create", "ci"].iter().chain(&place)).success();
    assert!(made.stderr.contains("machine nix.example.com login ci password"), "{}", made.stderr);
    assert_eq!(check(&file, &made.text()).0, 0);
    let listed = answer(["token", "list"].iter().chain(&place)).success().text();
    assert!(listed.starts_with("ci  read  20"), "{listed}");

    let empty = scratch.write("empty.toml", "");
    let refused = answer(["token", "list", "--config", empty.to_str().unwrap()]);
    assert_eq!(code(&refused), 2);
    assert!(refused.stderr.contains("--file"), "{}", refused.stderr);
}

#[test]
fn every_cache_has_a_file_of_its_own() {
    let scratch = Scratch::new();
    let (main, team) = (scratch.join("main"), scratch.join("team"));
    let text = format!(
        "[access]\nanonymous = []\ntokens = {main:?}\n[expose]\neverything = true\n\
         [cache.team]\nhosts = [\"team.example.org\"]\n\
         [cache.team.access]\ntokens = {team:?}\n[cache.team.expose]\neverything = true\n"
    );
    let configuration = scratch.write("config.toml", text);
    let place = ["--config", configuration.to_str().unwrap()];
    let create = |more: &[&str]| answer(["token", "create", "ci"].iter().chain(&place).chain(more));
    let made = create(&["--cache", "team"]).success();
    assert!(made.stderr.contains("machine team.example.org login ci"), "{}", made.stderr);
    assert!(!main.exists());
    assert_eq!(check(&team, &made.text()).0, 0);
    create(&[]).success();
    assert_eq!(check(&main, &made.text()).0, 1);
    let refused = create(&["--cache", "nobody"]);
    assert_eq!(code(&refused), 2);
    assert!(refused.stderr.contains("no cache `nobody`"), "{}", refused.stderr);
}

#[test]
fn the_check_of_a_configuration_reads_its_tokens() {
    let scratch = Scratch::new();
    let file =
        scratch.write("tokens", "# mine\nci rns_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\n");
    let text = format!(
        "[access]\nanonymous = []\ntokens = {file:?}\n[store]\nroot = {:?}\n",
        scratch.path()
    );
    let configuration = scratch.write("config.toml", text);
    let checked = answer(["check-config", configuration.to_str().unwrap()]);
    assert_eq!(code(&checked), 1);
    assert!(checked.stderr.contains("access.tokens"), "{}", checked.stderr);
    assert!(checked.stderr.contains("line 2: here is a token itself"), "{}", checked.stderr);
    assert!(!checked.stderr.contains("BwcHBw"), "{}", checked.stderr);
}
