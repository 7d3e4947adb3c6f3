//! Roots that clients set in the store of the machine, and the paths that each cache of it keeps.

use rns_formats::StorePath;
use rns_testing::{Standard, http::Request, run};

use super::Machine;
use crate::push::{PUSH_TIMEOUT, program};
use crate::support::{
    assert_logged, assert_refusal, eventually, full, narinfo_of, nixes,
    private::{create, with_token},
};

fn pin(to: &str, arguments: &[&str]) -> rns_testing::Finished {
    let mut command = program(&["pin"]);
    run(command.args(arguments).args(["--to", to]), PUSH_TIMEOUT)
}

/// Has the time of pushed paths end: two days ago.
fn age_links(machine: &Machine) {
    let touched = std::process::Command::new("sh")
        .args(["-c", "touch -h -d '2 days ago' \"$0\"/*"])
        .arg(machine.roots())
        .status();
    assert!(touched.unwrap().success());
}

#[test]
fn what_is_pinned_outlives_its_time_and_goes_with_its_root() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        for path in [&standard.dep, &standard.top, &standard.executable] {
            machine.push(&server, &standard, path);
        }
        let token = create(&machine.tokens, "release", &["--allow", "read,pin"]);
        let listed = |server: &rns_testing::Server| {
            server.connect().send(&with_token(Request::get("/gcroots"), &token)).status()
        };
        eventually(|| listed(&server) == 200);
        let url =
            |server: &rns_testing::Server| server.url().replace("://", &format!("://ci:{token}@"));
        let root = machine.client.root().to_str().unwrap();
        let top = full(&standard.top);
        let add = ["add", "project/main", "--store", root, "--revisions", "3", "--label", "v1"];
        pin(&url(&server), &[&add[..], &[&top]].concat()).success();
        let missing = pin(&url(&server), &[&add[..], &[&full(&standard.blob)]].concat());
        assert!(missing.stderr.contains("409"), "{}", missing.stderr);
        drop(server);
        age_links(&machine);
        let server = machine.server("", "");
        assert_logged(&server, "let go of 3 pushed paths");
        machine.collect_garbage();
        assert!(machine.is_valid(&standard.top) && machine.is_valid(&standard.dep));
        assert!(!machine.is_valid(&standard.executable));
        let list = pin(&url(&server), &["list"]).success().text();
        assert!(list.starts_with("project/main  revision 1 of 20"), "{list}");
        assert!(list.contains("v1") && list.contains(&top), "{list}");
        // A pusher skips a path that a root keeps, and a client that deletes it is told of the root.
        let seen = server.get(&format!("/push{}", narinfo_of(&standard.top)));
        assert_eq!(seen.status(), 200);
        let remover = create(&machine.tokens, "gc", &["--allow", "read,delete"]);
        let target = format!("/push{}", narinfo_of(&standard.top));
        let delete = || {
            let request = with_token(Request::new("DELETE", &target), &remover);
            server.connect().send(&request)
        };
        eventually(|| delete().status() != 401);
        assert_refusal(&delete(), 409);
        assert!(delete().text().contains("the root project/main"), "{}", delete().text());

        pin(&url(&server), &["remove", "project/main"]).success();
        assert_eq!(delete().status(), 200);
        drop(server);
        machine.collect_garbage();
        assert!(!machine.is_valid(&standard.top) && !machine.is_valid(&standard.dep));
    }
}

#[test]
fn rules_of_names_end_roots_and_confined_tokens_pin_their_paths() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let rule = "[retention.rules.pr]\nroots = [\"pr/*\"]\ndays = 7\nrevisions = 2";
        let confined = create(&machine.tokens, "some", &["--allow", "read,pin", "--paths", "top*"]);
        let whole = create(&machine.tokens, "all", &["--allow", "read,pin"]);
        let server = machine.server("", rule);
        for path in [&standard.dep, &standard.top] {
            machine.push(&server, &standard, path);
        }
        let put = |token: &str, target: &str, path: &StorePath| {
            let request = Request::new("PUT", target).body(full(path));
            server.connect().send(&with_token(request, token))
        };
        let set = put(&whole, "/gcroots/pr/1?days=90&revisions=5", &standard.top);
        assert_eq!(set.status(), 200, "{}", set.text());
        assert!(set.text().contains("  until "), "{}", set.text());
        assert_eq!(put(&confined, "/gcroots/a", &standard.top).status(), 200);
        assert_eq!(put(&whole, "/push/gcroots/b", &standard.dep).status(), 200);
        assert_refusal(&put(&confined, "/gcroots/c", &standard.dep), 403);
        assert_refusal(&put(&confined, "/gcroots/b", &standard.top), 403);
        let listed = server.connect().send(&with_token(Request::get("/gcroots"), &confined));
        let names: Vec<_> =
            listed.text().lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["a", "pr/1"], "{}", listed.text());
        assert_refusal(&put(&machine.token, "/gcroots/d", &standard.top), 403);
        // Not its earlier paths, which a root of a new name could be meant to replace.
        assert_refusal(&put(&whole, "/gcroots/e", &standard.blob), 409);
    }
}

#[test]
fn pushers_of_one_cache_do_not_see_what_those_of_another_have_pushed() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let pushed = machine.root_directory().join("pushed");
        let of_b = machine.root_directory().join("cache/b");
        let two = format!(
            "[expose]\nroots = [{pushed:?}]\n[cache.b]\npath = \"/b\"\n[cache.b.expose]\nroots = [{:?}]\n\
             [cache.b.access]\ntokens = {:?}\nanonymous = [\"read\"]\n",
            of_b.join("pushed"),
            machine.tokens
        );
        let server = machine.server("", &two);
        let seen = |address: &str, path: &StorePath| {
            server.get(&format!("{address}{}", narinfo_of(path))).status()
        };
        machine.push(&server, &standard, &standard.dep);
        assert_eq!(seen("/push", &standard.dep), 200);
        assert_eq!(seen("/b/push", &standard.dep), 404);
        // A path of b may not refer to it either, until b has it.
        let top = machine.put_nar(&server, &standard, &standard.top);
        let text = crate::uploads::text_of(&top);
        let target = format!("/b/push{}", narinfo_of(&standard.top));
        assert_refusal(&machine.put(&server, &target, text.clone()), 409);
        let dep = machine.put_nar(&server, &standard, &standard.dep);
        let of_dep = format!("/b/push{}", narinfo_of(&standard.dep));
        assert_eq!(machine.put(&server, &of_dep, crate::uploads::text_of(&dep)).status(), 200);
        assert_eq!(machine.put(&server, &target, text).status(), 201);
        assert!(of_b.join("pushed/token+ci").join(standard.top.as_str()).is_symlink());
        assert_eq!((seen("/b/push", &standard.top), seen("/push", &standard.top)), (200, 404));
        eventually(|| seen("/b", &standard.top) == 200);
        assert_eq!(seen("", &standard.top), 404);
        // A cache lets go of its own links only.
        let remover = create(&machine.tokens, "gc", &["--allow", "delete"]);
        let delete = || {
            let request = Request::new("DELETE", format!("/push{}", narinfo_of(&standard.dep)));
            server.connect().send(&with_token(request, &remover)).status()
        };
        eventually(|| delete() == 200);
        assert!(!machine.roots().join(standard.dep.as_str()).is_symlink());
        machine.collect_garbage();
        assert!(machine.is_valid(&standard.dep) && machine.is_valid(&standard.top));
    }
}
