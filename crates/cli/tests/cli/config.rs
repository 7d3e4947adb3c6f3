//! `check-config`, `config show`, and how `serve` refuses a bad configuration.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use rns_testing::{FixtureStore, Process, Scratch, Tree, run};
use serde_json::Value;

use crate::{SECRET, answer, code, program, write_key};

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let scratch = Scratch::new();
    let text = "bind = \"[::]:5000\"\nworkers = \"four\"\n[signing]\nkyes = []\n[limits]\nidle_timeout = \"1 moon\"\n";
    let file = scratch.write("c.toml", text);
    let file = file.to_str().unwrap();
    let refused = answer(["check-config", file]);
    assert_eq!((code(&refused), refused.text().as_str()), (1, ""));
    for part in [
        "the configuration has 4 problems:",
        &format!("bind ({file}:1): there is no such key\n    write `listen = "),
        &format!("workers ({file}:2): expected a whole number, found the text \"four\""),
        &format!("signing.kyes ({file}:4): there is no such key\n    did you mean `signing.keys`?"),
        &format!("limits.idle_timeout ({file}:6): `1 moon` is not a duration"),
    ] {
        assert!(refused.stderr.contains(part), "{part}\nin\n{}", refused.stderr);
    }
    let served = answer(["serve", "--config", file]);
    assert_eq!(code(&served), 2);
    assert!(served.stderr.contains("the configuration has 4 problems:"), "{}", served.stderr);
}

#[test]
fn a_file_without_a_key_is_told_of() {
    let scratch = Scratch::new();
    for text in ["", "# listen = []\n", "[signing]\n"] {
        let file = scratch.write("c.toml", text);
        let checked = answer(["check-config", "--skip-files", file.to_str().unwrap()]).success();
        let expected = format!("warning: {} has no key in it: ", file.display());
        assert!(checked.stderr.starts_with(&expected), "{text:?}: {}", checked.stderr);
    }
    let file = scratch.write("c.toml", "workers = 2\n");
    let checked = answer(["check-config", "--skip-files", file.to_str().unwrap()]).success();
    assert_eq!(checked.stderr, "");
}

#[test]
fn a_harmonia_file_is_refused_with_our_name_for_each_key() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "settings.toml",
        "bind = \"[::]:5000\"\npriority = 30\nsign_key_paths = [\"/k\"]\nvirtual_nix_store = \"/nix/store\"\n\
         real_nix_store = \"/guest/nix/store\"\nnix_db_path = \"/db\"\ntls_cert_path = \"/c\"\ntls_key_path = \"/k\"\n",
    );
    let refused = answer(["check-config", file.to_str().unwrap()]);
    assert_eq!(code(&refused), 1);
    for (theirs, ours) in [
        ("bind", "`listen = "),
        ("priority", "`priority` in [cache_info]"),
        ("sign_key_paths", "in [signing]"),
        ("virtual_nix_store", "`dir` in [store]"),
        ("real_nix_store", "`real_dir` in [store]"),
        ("nix_db_path", "`database` in [store]"),
        ("tls_cert_path", "`certificate` in [tls]"),
        ("tls_key_path", "`key` in [tls]"),
    ] {
        let mut lines = refused.stderr.lines();
        let told = lines.any(|line| line.trim_start().starts_with(&format!("{theirs} (")));
        assert!(told && lines.next().unwrap().contains(ours), "{theirs}: {}", refused.stderr);
    }
}

#[test]
fn the_files_it_names_are_looked_at_unless_they_need_not_be_there() {
    let scratch = Scratch::new();
    let store = FixtureStore::new();
    let key = scratch.join("key");
    let text = format!("[store]\nroot = {:?}\n[signing]\nkeys = [{key:?}]\n", store.root());
    let file = scratch.write("c.toml", text);
    let check = || answer(["check-config", file.to_str().unwrap()]);
    let refused_with = |part: &str| {
        let refused = check();
        assert_eq!(code(&refused), 1, "{part}");
        let said = &refused.stderr;
        assert!(said.contains(part) && said.contains(key.to_str().unwrap()), "{part}\nin\n{said}");
        assert!(said.contains("signing.keys ("), "{said}");
        assert!(!said.contains("TxYr32PP"), "{said}");
    };
    refused_with("does not exist; `rust-nix-serve key generate --output ");
    fs::create_dir(&key).unwrap();
    refused_with("a directory");
    fs::remove_dir(&key).unwrap();
    fs::write(&key, SECRET).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refused_with("chmod 600");
    fs::remove_file(&key).unwrap();
    write_key(&key, SECRET.get(..60).unwrap());
    refused_with("secret key");

    let skipped = answer(["check-config", "--skip-files", "--config", file.to_str().unwrap()]);
    assert_eq!(code(&skipped), 0, "{}", skipped.stderr);
    write_key(&key, SECRET);
    let fine = check().success();
    assert_eq!(fine.text(), format!("{}: no problem found\n", file.display()));

    let tls = "listen = [\"tls://127.0.0.1:0\"]\n[tls]\ncertificate = \"/nonexistent/cert\"\nkey = \"/nonexistent/key\"\n";
    let file = scratch.write("tls.toml", tls);
    let refused =
        answer(["check-config", "--store", store.root().to_str().unwrap(), file.to_str().unwrap()]);
    assert_eq!(code(&refused), 1);
    let place = format!("tls.certificate ({}:3): ", file.display());
    assert!(refused.stderr.contains(&place), "{}", refused.stderr);
    assert!(refused.stderr.contains("/nonexistent/cert"), "{}", refused.stderr);

    let absent = scratch.write("d.toml", "[store]\nroot = \"/nonexistent\"\n");
    let refused = answer(["check-config", absent.to_str().unwrap()]);
    assert_eq!(code(&refused), 1);
    assert!(
        refused.stderr.contains("cannot open /nonexistent/nix/var/nix/db/db.sqlite"),
        "{}",
        refused.stderr
    );
}

#[test]
fn files_of_a_named_cache_are_told_with_its_name_and_missing_roots_are_warned_of() {
    let scratch = Scratch::new();
    let store = FixtureStore::new();
    let text = format!(
        "[store]\nroot = {:?}\n[expose]\nroots = [\"/nonexistent/*\", \"/\"]\n[cache.a]\npath = \"/a\"\n\
         signing.keys = [\"/nonexistent/key\"]\naccess.tokens = \"/nonexistent/tokens\"\n\
         expose.roots = [\"/nonexistent/root\"]\n",
        store.root()
    );
    let file = scratch.write("c.toml", text);
    let refused = answer(["check-config", file.to_str().unwrap()]);
    assert_eq!(code(&refused), 1);
    let place = |line| format!("{}:{line}): ", file.display());
    for part in [
        format!("cache.a.signing.keys ({}", place(7)),
        format!("cache.a.access.tokens ({}", place(8)),
        "warning: expose.roots: /nonexistent/* is not there".to_owned(),
        "warning: cache.a.expose.roots: /nonexistent/root is not there".to_owned(),
    ] {
        assert!(refused.stderr.contains(&part), "{part}\nin\n{}", refused.stderr);
    }
    assert!(!refused.stderr.contains(": / is not there"), "{}", refused.stderr);
}

#[test]
fn a_named_cache_is_shown_with_what_it_takes_over() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "c.toml",
        "[cache_info]\npriority = 7\n[expose]\neverything = false\n[cache.a]\npath = \"/a\"\n\
         expose.roots = [\"/r\"]\naccess.anonymous = [\"read\"]\n",
    );
    let shown = answer(["config", "show", "--config", file.to_str().unwrap()]).success().text();
    let line = |setting: &str, place: u32| {
        let ends = format!("# {}:{place}", file.display());
        let found = shown.lines().any(|line| line.starts_with(setting) && line.ends_with(&ends));
        assert!(found, "{setting} {ends}\nin\n{shown}");
    };
    line("cache.a.priority = 7 ", 2);
    line("cache.a.expose.roots = [\"/r\"]", 7);
    line("expose.everything = false", 4);
    assert!(!shown.contains("<name>") && !shown.contains("cache.a.expose.names"), "{shown}");
    // The output can be written into a file again.
    let again = scratch.write("again.toml", &shown);
    let check = answer(["config", "show", "--config", again.to_str().unwrap()]).success().text();
    let settings = |text: &str| {
        text.lines()
            .map(|line| line.split("  #").next().unwrap().trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(settings(&check), settings(&shown));
}

#[test]
fn every_value_is_shown_with_its_source() {
    let scratch = Scratch::new();
    let file = scratch.write("c.toml", "\n[cache_info]\npriority = 1\nwant_mass_query = false\n");
    let mut show = program();
    show.args(["config", "show", "--json", "--config", file.to_str().unwrap(), "--priority", "30"]);
    show.env("RUST_NIX_SERVE_LIMITS_DOWNLOADS", "7").env("SIGN_KEY_PATHS", "/a /b");
    let shown = run(&mut show, Duration::from_secs(120)).success();
    let rows: Vec<Value> = serde_json::from_str(&shown.text()).unwrap();
    let row = |key: &str| {
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        (row["value"].to_string(), row["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(row("cache_info.priority"), ("30".into(), "flag --priority".into()));
    assert_eq!(
        row("cache_info.want_mass_query"),
        ("false".into(), format!("{}:4", file.display()))
    );
    let variable = "environment variable RUST_NIX_SERVE_LIMITS_DOWNLOADS";
    assert_eq!(row("limits.downloads"), ("7".into(), variable.into()));
    let variable = "environment variable SIGN_KEY_PATHS";
    assert_eq!(row("signing.keys"), ("[\"/a\",\"/b\"]".into(), variable.into()));
    assert_eq!(row("store.dir"), ("\"/nix/store\"".into(), "default".into()));
}

#[test]
fn what_is_shown_is_itself_a_configuration() {
    let scratch = Scratch::new();
    let shown = answer(["config", "show", "--priority", "33", "--listen", "unix:/run/x"]).success();
    assert!(shown.text().contains("# flag --priority\n"), "{}", shown.text());
    let file = scratch.write("c.toml", shown.text());
    let again = answer(["config", "show", "--config", file.to_str().unwrap()]).success();
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(values(&again.text()), values(&shown.text()));
    assert!(again.text().contains("cache_info.priority = 33"), "{}", again.text());
}

#[test]
fn a_misspelt_variable_is_told_but_keeps_nobody_from_serving() {
    let mut check = program();
    check.args(["check-config", "--skip-files"]).env("RUST_NIX_SERVE_LISTENS", "x");
    let checked = run(&mut check, Duration::from_secs(120)).success();
    assert!(checked.stderr.contains("did you mean RUST_NIX_SERVE_LISTEN?"), "{}", checked.stderr);
}

#[test]
fn a_configuration_for_passed_sockets_is_accepted_by_every_command() {
    let scratch = Scratch::new();
    let store = FixtureStore::new();
    let tokens = scratch.join("tokens");
    let text = format!(
        "[store]\nroot = {:?}\n[access]\nanonymous = []\ntokens = {tokens:?}\n[nar_cache]\ncompression = \"zstd\"\n\
         [nginx]\nlocation = \"/nar-cache/\"\n",
        store.root()
    );
    let file = scratch.write("c.toml", text);
    let file = file.to_str().unwrap();
    for command in [
        vec!["token", "create", "ci", "--config", file],
        vec!["token", "list", "--config", file],
        vec!["config", "show", "--config", file],
        vec!["check-config", file],
    ] {
        let finished = answer(&command);
        assert_eq!(code(&finished), 0, "{command:?}: {}", finished.stderr);
    }
    // The server itself knows that it was passed no socket with this name.
    let served = answer(["serve", "--config", file]);
    assert!(served.stderr.contains("no listener belongs to nginx"), "{}", served.stderr);
}

#[test]
fn an_expired_certificate_is_warned_of() {
    let scratch = Scratch::new();
    let store = FixtureStore::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tls");
    let text = |name: &str| {
        format!(
            "listen = [\"tls://127.0.0.1:0\"]\n[store]\nroot = {:?}\n[tls]\ncertificate = \"{data}/{name}.crt\"\n\
             key = \"{data}/{name}.key\"\n",
            store.root()
        )
    };
    let file = scratch.write("c.toml", text("expired"));
    let checked = answer(["check-config", file.to_str().unwrap()]);
    assert_eq!(code(&checked), 0, "{}", checked.stderr);
    let warning = "expired.crt: it expired on 2020-01-02T00:00:00Z, so clients refuse it";
    assert!(checked.stderr.contains(warning), "{}", checked.stderr);
    let mut serving = Process::start(program().args(["serve", "--config", file.to_str().unwrap()]));
    serving.wait_for_line(warning);
    let file = scratch.write("d.toml", text("one"));
    let checked = answer(["check-config", file.to_str().unwrap()]);
    assert!(!checked.stderr.contains("expired"), "{}", checked.stderr);
}

#[test]
fn a_store_directory_that_is_not_there_is_a_problem() {
    let scratch = Scratch::new();
    let store = FixtureStore::new();
    let text = format!("[store]\nroot = {:?}\nreal_dir = \"/nonexistent/store\"\n", store.root());
    let file = scratch.write("c.toml", text);
    let checked = answer(["check-config", file.to_str().unwrap()]);
    assert_eq!(code(&checked), 1);
    let said = &checked.stderr;
    assert!(
        said.contains("store.real_dir (") && said.contains("cannot open /nonexistent/store"),
        "{said}"
    );
}

#[test]
fn a_store_whose_paths_are_elsewhere_is_a_problem() {
    let scratch = Scratch::new();
    let mut store = FixtureStore::new();
    let path = store.add("x", Tree::file("x"));
    let text = |more: &str| format!("[store]\nroot = {:?}\n{more}", store.root());
    let checked = |text: String| {
        let file = scratch.write("c.toml", text);
        answer(["check-config", file.to_str().unwrap()])
    };
    let fine = checked(text(""));
    assert_eq!(code(&fine), 0, "{}", fine.stderr);
    let other = checked(text("dir = \"/opt/store\"\n"));
    assert_eq!(code(&other), 1, "{}", other.stderr);
    assert!(other.stderr.contains("lists paths of /nix/store, and none of /opt/store"));
    assert!(other.stderr.contains("set `store.dir`"), "{}", other.stderr);
    // As when the file system with the store is not mounted over an empty directory.
    store.remove_files(&path);
    let empty = checked(text(""));
    assert_eq!(code(&empty), 1, "{}", empty.stderr);
    assert!(empty.stderr.contains("is it mounted"), "{}", empty.stderr);
}

#[test]
fn a_storage_directory_that_is_not_there_is_a_problem() {
    let scratch = Scratch::new();
    let directory = scratch.join("cache");
    let text =
        format!("[store]\nenabled = false\n[storage]\nurl = \"file://{}\"\n", directory.display());
    let file = scratch.write("c.toml", text);
    let refused = answer(["check-config", file.to_str().unwrap()]);
    assert_eq!(code(&refused), 1, "{refused:?}");
    assert!(refused.stderr.contains("storage.url"), "{}", refused.stderr);
    assert!(refused.stderr.contains("install -d -o USER"), "{}", refused.stderr);
    fs::create_dir(directory).unwrap();
    answer(["check-config", file.to_str().unwrap()]).success();
}
