//! Roots that clients set after a push: `push --pin` and `pin`.

use rns_testing::{Finished, Standard, run};

use super::{PATIENCE, await_token, program, push};
use crate::{
    support::{full, private::create},
    uploads::Pushable,
};

fn pin(to: &str, arguments: &[&str]) -> Finished {
    let mut command = program(&["pin"]);
    run(command.args(arguments).args(["--to", to]), PATIENCE)
}

#[test]
fn what_was_pushed_is_pinned_listed_and_released() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let token = create(&cache.tokens, "release", &["--allow", "read,push,pin"]);
    await_token(&cache, &token);
    let to = cache.server.url().replace("://", &format!("://ci:{token}@"));
    let more = ["--pin", "project/main", "--label", "4f2c1d9 + \u{fc}", "--revisions", "3"];
    push(&standard.store, &to, &[&standard.top], &more).success();
    let list = pin(&to, &["list"]).success().text();
    assert!(list.starts_with("project/main  revision 1 of 20"), "{list}");
    assert!(list.contains("4f2c1d9 + \u{fc}\n") && list.contains(&full(&standard.top)), "{list}");

    // A path that is not there cannot be kept, and the first root stays as it is.
    let root = standard.store.root().to_str().unwrap();
    let add = ["add", "project/main", "--store", root];
    let missing = pin(&to, &[&add[..], &[&full(&standard.blob)]].concat());
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(missing.stderr.contains("409"), "{}", missing.stderr);
    pin(&to, &[&add[..], &["--days", "9", &full(&standard.dep)]].concat()).success();
    let json = pin(&to, &["list", "--json"]).success().text();
    assert!(json.contains("\"revision\":2") && json.contains(&full(&standard.dep)), "{json}");

    // The token of the pusher may not pin, and is told so after the push.
    let refused = push(&standard.store, &cache.url(), &[&standard.top], &["--pin", "other"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("403"), "{}", refused.stderr);

    pin(&to, &["remove", "project/main"]).success();
    assert_eq!(pin(&to, &["remove", "project/main"]).status.code(), Some(1));
    assert_eq!(pin(&to, &["list"]).success().text(), "");
}
