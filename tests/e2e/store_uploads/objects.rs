//! Each kind of object on its way into the store.

use rns_formats::{Compression, Sha256Digest, StorePath};
use rns_testing::{FixtureStore, Standard, Tree};

use super::Machine;
use crate::support::{assert_refusal, eventually, fields, narinfo_of, nixes};
use crate::uploads::packed;

#[test]
fn c64_c67_c68_c69_c70_a_path_is_valid_only_with_its_nar_and_references() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        let (narinfo, _) = packed(
            standard.store.info(&standard.top),
            &standard.store.nar(&standard.top),
            Compression::Zstd,
        );
        assert_refusal(&machine.put_narinfo(&server, &narinfo), 409);
        let narinfo = machine.put_nar(&server, &standard, &standard.top);
        let refused = machine.put_narinfo(&server, &narinfo);
        assert_refusal(&refused, 409);
        assert!(refused.text().contains(standard.dep.as_str()), "{}", refused.text());
        assert!(!machine.is_valid(&standard.top));
        machine.push(&server, &standard, &standard.dep);

        let mut other = narinfo.clone();
        other.nar_hash = Sha256Digest::of(b"another");
        assert_refusal(&machine.put_narinfo(&server, &other), 400);
        let mut false_address = narinfo.clone();
        false_address.ca = standard.store.info(&standard.dep).ca;
        assert_refusal(&machine.put_narinfo(&server, &false_address), 400);
        assert!(!machine.is_valid(&standard.top));

        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 201);
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 200);
        machine.put_nar(&server, &standard, &standard.top);
        let junk = format!("/push/nar/{}.nar", Sha256Digest::of(b"junk").to_nix32());
        assert_refusal(&machine.put(&server, &junk, "junk"), 400);
        assert_eq!(machine.spooled(), 2, "what was refused leaves nothing");
    }
}

#[test]
fn c71_c72_the_first_nar_stays_and_signatures_are_added() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        let mut narinfo = machine.push(&server, &standard, &standard.executable);
        narinfo.signatures.push(format!("pq-1:{}", "A".repeat(4412)).parse().unwrap());
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 200);
        eventually(|| {
            let shown = server.get(&narinfo_of(&standard.executable));
            fields(&shown, "Sig").iter().any(|signature| signature.starts_with("pq-1:"))
        });
        let mut other = FixtureStore::new();
        let another = other.add("x", Tree::file("another build"));
        let (mut built, file) =
            packed(other.info(&another), &other.nar(&another), Compression::Zstd);
        built.store_path = standard.executable.clone();
        assert_eq!(machine.put(&server, &format!("/push/{}", built.url), file).status(), 201);
        assert_eq!(machine.put_narinfo(&server, &built).status(), 200);
        let real = machine.client.real_path(standard.executable.as_str());
        assert!(machine.client.dump(&real) == standard.store.nar(&standard.executable));
    }
}

#[test]
fn two_paths_with_the_same_nar_need_it_once() {
    for nix in nixes() {
        let machine = Machine::new(&nix);
        let server = machine.server("", "");
        let mut twins = FixtureStore::new();
        let paths = ["one", "two"].map(|name| twins.add(name, Tree::file("the same")));
        let [one, two] =
            paths.map(|path| packed(twins.info(&path), &twins.nar(&path), Compression::Zstd));
        assert_eq!(machine.put(&server, &format!("/push/{}", one.0.url), one.1).status(), 201);
        for narinfo in [one.0, two.0] {
            assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 201);
        }
    }
}

#[test]
fn listings_and_logs_come_back_from_the_store() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        machine.push(&server, &standard, &standard.dep);
        let listing = format!("/{}.ls", standard.dep.hash_part());
        let shown = server.get(&listing);
        assert_eq!(shown.status(), 200);
        let put = machine.put(&server, &format!("/push{listing}"), shown.body.clone());
        assert_eq!(put.status(), 201);
        assert_refusal(&machine.put(&server, &format!("/push{listing}"), "{}"), 400);
        let log = "/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv";
        assert_eq!(machine.put(&server, &format!("/push{log}"), "built\n").status(), 201);
        assert_eq!(server.get(log).text(), "built\n");
    }
}

#[test]
fn c76_realisations_are_entered_where_the_daemon_has_that_feature() {
    for nix in nixes() {
        let features = ("experimental-features", "nix-command ca-derivations");
        let standard = Standard::new();
        let machine = Machine::with_options(&nix, &[("trusted-users", "*"), features]);
        let server = machine.server("", "");
        let document = |digit: &str, path: &StorePath, dependencies: &str| {
            let id = format!("sha256:{}!out", digit.repeat(64));
            let json = format!(
                "{{\"dependentRealisations\":{{{dependencies}}},\"id\":{id:?},\"outPath\":{:?},\"signatures\":[]}}",
                path.as_str()
            );
            (format!("/realisations/{id}.doi"), json)
        };
        let put = |(target, json): (String, String)| {
            machine.put(&server, &format!("/push{target}"), json)
        };
        let dep = document("1", &standard.dep, "");
        // The path first.
        let refused = put(dep.clone());
        assert_refusal(&refused, 409);
        assert!(refused.text().contains(standard.dep.as_str()), "{}", refused.text());
        machine.push(&server, &standard, &standard.dep);
        machine.push(&server, &standard, &standard.top);
        let needs = format!("\"sha256:{}!out\":{:?}", "1".repeat(64), standard.dep.as_str());
        let top = document("2", &standard.top, &needs);
        assert_refusal(&put(top.clone()), 409);
        for document in [dep.clone(), top, dep.clone()] {
            let answer = put(document.clone());
            assert_eq!(answer.status(), 201, "{}", answer.text());
            let shown = server.get(&document.0);
            assert_eq!(shown.status(), 200, "{}", document.0);
            let shown: serde_json::Value = serde_json::from_str(shown.text()).unwrap();
            let sent: serde_json::Value = serde_json::from_str(&document.1).unwrap();
            assert_eq!((&shown["id"], &shown["outPath"]), (&sent["id"], &sent["outPath"]));
        }
        // The first one stays.
        assert_refusal(&put(document("1", &standard.top, "")), 409);
    }
}

#[test]
fn c76_what_the_store_has_no_place_for_is_refused_with_the_reason() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        machine.push(&server, &standard, &standard.dep);
        let id = format!("sha256:{}!out", "1".repeat(64));
        let json = format!(
            "{{\"dependentRealisations\":{{}},\"id\":{id:?},\"outPath\":{:?},\"signatures\":[]}}",
            standard.dep.as_str()
        );
        let refused = machine.put(&server, &format!("/push/realisations/{id}.doi"), json);
        assert_refusal(&refused, 501);
        assert!(refused.text().contains("feature switched off"), "{}", refused.text());
        let drv = "zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x.drv";
        let json = format!("{{\"outPath\":{:?},\"signatures\":[]}}", standard.dep.as_str());
        let refused = machine.put(&server, &format!("/push/build-trace-v2/{drv}/out.doi"), json);
        assert_refusal(&refused, 501);
        assert!(refused.text().contains("takes no build traces"), "{}", refused.text());
    }
}

/// A path that the machine has made itself.
fn local(machine: &Machine, name: &str, contents: &str) -> StorePath {
    let file = machine.client.scratch().join(name);
    std::fs::write(&file, contents).unwrap();
    let added = machine.client.run("nix-store", ["--add", file.to_str().unwrap()]).success();
    StorePath::parse(added.text().trim().rsplit('/').next().unwrap()).unwrap()
}

#[test]
fn a_path_that_is_hidden_is_not_shown_to_who_refers_to_it() {
    for nix in nixes() {
        let machine = Machine::new(&nix);
        let secret = local(&machine, "secret", "a secret\n");
        let absent = StorePath::parse("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-secret").unwrap();
        let pushed = machine.root_directory().join("pushed");
        let server = machine.server("", &format!("[expose]\nroots = [{pushed:?}]\n"));
        let seen =
            |address: &str| server.get(&format!("{address}{}", narinfo_of(&secret))).status();
        assert_eq!(seen("/push"), 404);
        let mut own = FixtureStore::new();
        let path = own.add("own", Tree::file("by the pusher\n"));
        let (mut narinfo, body) = packed(own.info(&path), &own.nar(&path), Compression::None);
        narinfo.ca = None;
        assert_eq!(machine.put(&server, &format!("/push/{}", narinfo.url), body).status(), 201);
        // The answer is that of a path which is not there.
        let refused = [&secret, &absent].map(|reference| {
            narinfo.references = [reference.clone()].into();
            let refused = machine.put_narinfo(&server, &narinfo);
            assert_refusal(&refused, 409);
            refused.text().replace(reference.as_str(), "")
        });
        assert_eq!(refused[0], refused[1]);
        assert!(!machine.is_valid(&path));
        assert_eq!((seen("/push"), seen("")), (404, 404));
        // Who has its NAR may.
        let twin = own.add("secret", Tree::file("a secret\n"));
        let (mut known, body) = packed(own.info(&twin), &own.nar(&twin), Compression::None);
        known.store_path = secret.clone();
        assert_eq!(machine.put(&server, &format!("/push/{}", known.url), body).status(), 201);
        assert_eq!(machine.put_narinfo(&server, &known).status(), 200);
        narinfo.references = [secret.clone()].into();
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 201);
        assert!(machine.is_valid(&path));
    }
}

#[test]
fn a_path_that_is_hidden_is_not_shown_for_another_nar() {
    for nix in nixes() {
        let machine = Machine::new(&nix);
        let secret = local(&machine, "secret", "a secret\n");
        let server = machine.server("", "[expose]\nroots = []\n");
        let shown = || server.get(&format!("/push{}", narinfo_of(&secret))).status();
        assert_eq!(shown(), 404);
        // To guess its name is not enough.
        let mut forged = FixtureStore::new();
        let other = forged.add("x", Tree::file("a guess\n"));
        let (mut narinfo, body) =
            packed(forged.info(&other), &forged.nar(&other), Compression::None);
        narinfo.store_path = secret.clone();
        assert_eq!(machine.put(&server, &format!("/push/{}", narinfo.url), body).status(), 201);
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 200);
        assert_eq!(shown(), 404);
        // Who has it may push it, and then pushers see it; readers do as the policy says.
        let mut own = FixtureStore::new();
        let mine = own.add("secret", Tree::file("a secret\n"));
        let (mut narinfo, body) = packed(own.info(&mine), &own.nar(&mine), Compression::None);
        narinfo.store_path = secret.clone();
        assert_eq!(machine.put(&server, &format!("/push/{}", narinfo.url), body).status(), 201);
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 200);
        assert_eq!(shown(), 200);
        assert_eq!(server.get(&narinfo_of(&secret)).status(), 404);
    }
}

#[test]
fn a_policy_can_show_what_was_pushed_and_nothing_else() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let own = local(&machine, "own", "of this machine\n");
        let pushed = machine.root_directory().join("pushed");
        let server = machine.server("", &format!("[expose]\nroots = [{pushed:?}]\n"));
        machine.push(&server, &standard, &standard.dep);
        machine.push(&server, &standard, &standard.top);
        for path in [&standard.dep, &standard.top] {
            eventually(|| server.get(&narinfo_of(path)).status() == 200);
        }
        assert_eq!(server.get(&narinfo_of(&own)).status(), 404);
        assert_eq!(server.get(&format!("/push{}", narinfo_of(&own))).status(), 404);
    }
}
