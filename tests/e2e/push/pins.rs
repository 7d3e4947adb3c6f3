//! Roots that clients set after a push: `push --pin` and `pin`.

use std::{fs, path::Path};

use rns_testing::{Finished, Scratch, Standard, http::Request, run};
use serde_json::Value;

use super::{PUSH_TIMEOUT, await_token, program, push};
use crate::{
    support::{
        full,
        private::{create, with_token},
    },
    uploads::Pushable,
};

fn pin(to: &str, arguments: &[&str]) -> Finished {
    let mut command = program(&["pin"]);
    run(command.args(arguments).args(["--to", to]), PUSH_TIMEOUT)
}

#[test]
fn what_was_pushed_is_pinned_listed_and_released() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let token = create(&cache.tokens, "release", &["--allow", "read,push,pin"]);
    await_token(&cache, &token);
    let to = cache.server.url().replace("://", &format!("://ci:{token}@"));
    let more = ["--pin", "project/main", "--label", "4f2c1d9 + \u{fc}", "--revisions", "3"];
    let pushed = push(&standard.store, &to, &[&standard.top], &more).success().text();
    assert!(pushed.contains("\npinned project/main  revision 1  set 20"), "{pushed}");
    let list = pin(&to, &["list"]).success().text();
    assert!(list.starts_with("project/main  revision 1 of 20"), "{list}");
    assert!(list.contains("4f2c1d9 + \u{fc}\n") && list.contains(&full(&standard.top)), "{list}");

    // A path that is not there cannot be kept, and the first root stays as it is.
    let root = standard.store.root().to_str().unwrap();
    let add = ["add", "project/main", "--store", root];
    let missing = pin(&to, &[&add[..], &[&full(&standard.blob)]].concat());
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(missing.stderr.contains("409"), "{}", missing.stderr);
    let added = pin(&to, &[&add[..], &["--days", "9", &full(&standard.dep)]].concat()).success();
    assert!(added.text().starts_with("pinned project/main  revision 2  set 20"), "{added:?}");
    // Only one revision stays without `--revisions`, and the lost one is named.
    assert!(added.text().contains("(revision 1 let go: "), "{added:?}");
    let quiet = pin(&to, &[&add[..], &["--quiet", &full(&standard.dep)]].concat()).success();
    assert_eq!((quiet.text().as_str(), quiet.stderr.as_str()), ("", ""));
    let json = pin(&to, &[&add[..], &["--json", &full(&standard.dep)]].concat()).success().text();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["outcome"], &json["root"]["revision"]), (&"pinned".into(), &2.into()));
    assert_eq!(json["root"]["let_go"], Value::Array(Vec::new()));
    // The reason is read out of the JSON of the server.
    let missing = pin(&to, &[&add[..], &["--json", &full(&standard.blob)]].concat());
    assert!(missing.stderr.contains("paths that are not here"), "{missing:?}");

    let listed = pin(&to, &["list", "--json"]).success().text();
    let request = Request::get("/gcroots").header("Accept", "application/json");
    let of_server = cache.server.connect().send(&with_token(request, &token));
    let as_json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(as_json(&listed), as_json(of_server.text()));

    // The token of the pusher may not pin, and is told so after the push.
    let refused = push(&standard.store, &cache.url(), &[&standard.top], &["--pin", "other"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("lacks the permission pin"), "{}", refused.stderr);

    let removed = pin(&to, &["remove", "project/main"]).success();
    assert_eq!(removed.text(), "removed project/main\n");
    let absent = pin(&to, &["remove", "--json", "project/main"]);
    assert_eq!(absent.status.code(), Some(1));
    assert_eq!(
        as_json(&absent.text()),
        serde_json::json!({ "name": "project/main", "deleted": false })
    );
    assert_eq!(pin(&to, &["list"]).success().text(), "");
    // A server without a storage names the missing setting.
    let server = crate::support::serve(&standard.store);
    let top = full(&standard.top);
    let add = [&add[..], &[&top]].concat();
    for command in [&["list"][..], &add] {
        let refused = pin(server.url(), command);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains("storage.url"), "{}", refused.stderr);
    }
}

/// `pin` in the storage of a configuration, without a token.
fn pin_here(config: &Path, arguments: &[&str]) -> Finished {
    let mut command = program(&["pin"]);
    run(command.args(arguments).arg("-c").arg(config), PUSH_TIMEOUT)
}

#[test]
fn the_operator_pins_by_the_configuration_of_the_server() {
    let (standard, cache, scratch) = (Standard::new(), Pushable::new(), Scratch::new());
    cache.push(&standard, &standard.dep);
    cache.push(&standard, &standard.top);
    let config = scratch.join("config.toml");
    let url = format!("file://{}", cache.directory.display());
    let text = format!("[storage]\nurl = {url:?}\n[retention]\nkeep_roots = true\n");
    fs::write(&config, &text).unwrap();

    let top = full(&standard.top);
    let add = ["add", "project/main", "--days", "9", "--revisions", "3", "--label", "by hand"];
    let said = pin_here(&config, &[&add[..], &[&top]].concat()).success().text();
    assert!(said.starts_with("pinned project/main  revision 1  set 20"), "{said}");
    let list = pin_here(&config, &["list"]).success().text();
    assert!(list.starts_with("project/main  revision 1 of 20") && list.contains(&top), "{list}");
    // It is a root of the server like any other, and on record with the one who set it.
    let token = create(&cache.tokens, "release", &["--allow", "read,pin"]);
    await_token(&cache, &token);
    let to = cache.server.url().replace("://", &format!("://ci:{token}@"));
    let json = pin(&to, &["list", "--json"]).success().text();
    assert_eq!(json, pin_here(&config, &["list", "--json"]).success().text());
    assert!(json.contains("(pin add)") && json.contains("\"label\":\"by hand\""), "{json}");
    let why = run(program(&["storage", "why", &top, "-c"]).arg(&config), PUSH_TIMEOUT);
    assert!(why.success().text().contains("the root project/main needs it"));
    // A limit lets other paths go.
    let limited = text.replace("keep_roots = true", "max_size = \"1G\"");
    let limited = scratch.write("limited.toml", limited);
    let why = run(program(&["storage", "why", &top, "-c"]).arg(limited), PUSH_TIMEOUT).success();
    let why = why.text();
    assert!(why.contains("the root project/main needs it") && !why.contains("a limit"), "{why}");

    // A missing path cannot be kept, and a root of nothing cannot be removed.
    let missing = pin_here(&config, &["add", "other", &full(&standard.blob)]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    let hash = standard.blob.hash_part().to_string();
    assert!(missing.stderr.contains(&hash), "{}", missing.stderr);
    let endless = pin_here(&config, &["add", "other", "--days", "0", &top]);
    assert_eq!(endless.status.code(), Some(2), "{endless:?}");
    let removed = pin_here(&config, &["remove", "project/main"]).success();
    assert_eq!(removed.text(), "removed project/main\n");
    assert_eq!(pin_here(&config, &["remove", "project/main"]).status.code(), Some(1));
    assert_eq!(pin(&to, &["list"]).success().text(), "");
}

#[test]
fn a_pin_without_a_server_and_without_a_storage_says_how_either_is_named() {
    let scratch = Scratch::new();
    let config = scratch.join("config.toml");
    fs::write(&config, "").unwrap();
    let said = pin_here(&config, &["list"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(said.stderr.contains("--to") && said.stderr.contains("storage.url"), "{}", said.stderr);
}
