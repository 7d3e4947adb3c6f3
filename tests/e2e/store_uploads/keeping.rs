//! Restarts, the bound of waiting NARs, and for how long a pushed path is kept.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use rns_formats::Compression;
use rns_testing::{Standard, http::Request};

use super::Machine;
use crate::support::{
    assert_logged, assert_refusal, eventually, narinfo_of, nixes,
    private::{create, with_token},
};
use crate::uploads::{packed, reload::reload_server};

#[test]
fn a_nar_waits_for_its_narinfo_over_a_restart() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        let narinfo = machine.put_nar(&server, &standard, &standard.blob);
        let nar = format!("/push/{}", narinfo.url);
        fs::write(machine.spool().join("incoming-7"), "cut off").unwrap();
        drop(server);
        let server = machine.server("", "");
        assert_eq!(machine.send(&server, Request::new("HEAD", &nar)).status(), 200);
        assert!(!machine.spool().join("incoming-7").exists());
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 201);
        assert!(machine.is_valid(&standard.blob));
    }
}

#[test]
fn a_spool_that_lost_its_bytes_asks_for_the_nar_again() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("", "");
        let narinfo = machine.put_nar(&server, &standard, &standard.blob);
        for file in fs::read_dir(machine.spool()).unwrap() {
            let file = file.unwrap().path();
            let length = fs::metadata(&file).unwrap().len();
            fs::write(&file, vec![0; usize::try_from(length).unwrap()]).unwrap();
        }
        let refused = machine.put_narinfo(&server, &narinfo);
        assert_refusal(&refused, 409);
        assert!(refused.text().contains(&narinfo.url), "{}", refused.text());
        assert_eq!(machine.spooled(), 0);
        machine.push(&server, &standard, &standard.blob);
    }
}

#[test]
fn no_more_waits_than_there_is_room_for() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        // The blob has three million bytes.
        let server = machine.server("spool_size = \"3500kB\"", "");
        let blob = machine.put_nar(&server, &standard, &standard.blob);
        let noise: Vec<u8> = standard.store.nar(&standard.blob).into_iter().rev().collect();
        let (other, file) = {
            let mut tree = rns_testing::FixtureStore::new();
            let contents = &noise[..1_000_000];
            let path = tree.add("other", rns_testing::Tree::file(contents));
            packed(tree.info(&path), &tree.nar(&path), Compression::Zstd)
        };
        let target = format!("/push/{}", other.url);
        let refused = machine.put(&server, &target, file.clone());
        assert_refusal(&refused, 507);
        assert_logged(&server, "upload.spool_size");
        // The import makes room.
        assert_eq!(machine.put_narinfo(&server, &blob).status(), 201);
        assert_eq!(machine.put(&server, &target, file).status(), 201);
        assert_eq!(machine.spooled(), 1);
        assert_eq!(machine.put_narinfo(&server, &other).status(), 201);
    }
}

#[test]
fn a_pushed_path_is_kept_for_its_time_and_then_goes() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let server = machine.server("roots = \"7d\"", "");
        machine.push(&server, &standard, &standard.dep);
        machine.push(&server, &standard, &standard.top);
        machine.push(&server, &standard, &standard.executable);
        drop(server);
        machine.collect_garbage();
        for path in [&standard.dep, &standard.top, &standard.executable] {
            assert!(machine.is_valid(path), "{path}");
        }
        // The root of `top` holds `dep` as well.
        for path in [&standard.dep, &standard.executable] {
            let link = machine.roots().join(path.as_str());
            let touched = std::process::Command::new("touch")
                .args(["-h", "-d", "2 days ago"])
                .arg(&link)
                .status();
            assert!(touched.unwrap().success());
        }
        let server = machine.server("roots = \"7d\"", "");
        eventually(|| !machine.roots().join(standard.executable.as_str()).is_symlink());
        assert_logged(&server, "let go of 2 pushed paths");
        machine.collect_garbage();
        assert!(!machine.is_valid(&standard.executable));
        assert!(machine.is_valid(&standard.dep) && machine.is_valid(&standard.top));
        assert_eq!(server.get(&narinfo_of(&standard.executable)).status(), 404);
    }
}

#[test]
fn deleting_a_path_lets_go_of_it() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let hiding = format!(
            "[expose]\neverything = true\n[cache.b]\npath = \"/b\"\n\
             [cache.b.expose]\nnames = [\"other-*\"]\n[cache.b.access]\ntokens = {:?}",
            machine.tokens
        );
        let server = machine.server("", &hiding);
        machine.push(&server, &standard, &standard.dep);
        let target = format!("/push{}", narinfo_of(&standard.dep));
        assert_refusal(&machine.send(&server, Request::new("DELETE", &target)), 403);
        let remover = create(&machine.tokens, "gc", &["--allow", "delete"]);
        let delete = || {
            let request = with_token(Request::new("DELETE", &target), &remover);
            server.connect().send(&request).status()
        };
        // Another cache of the store does not let go of it.
        let elsewhere = || {
            let request = with_token(Request::new("DELETE", format!("/b{target}")), &remover);
            server.connect().send(&request).status()
        };
        eventually(|| elsewhere() != 401);
        assert_eq!(elsewhere(), 404);
        assert!(machine.roots().join(standard.dep.as_str()).is_symlink());
        eventually(|| delete() == 200);
        assert_eq!(delete(), 404);
        assert!(!machine.roots().join(standard.dep.as_str()).is_symlink());
        drop(server);
        machine.collect_garbage();
        assert!(!machine.is_valid(&standard.dep));
    }
}

#[test]
fn what_is_taken_and_how_long_it_stays_changes_on_reload() {
    for nix in nixes() {
        let (standard, machine) = (Standard::new(), Machine::new(&nix));
        let mut server = machine.server("spool_size = \"1MiB\"\nroots = \"9d\"", "");
        let (narinfo, file) = packed(
            standard.store.info(&standard.blob),
            &standard.store.nar(&standard.blob),
            Compression::None,
        );
        let target = format!("/push/{}", narinfo.url);
        assert_refusal(&machine.put(&server, &target, file.clone()), 413);
        let larger = "spool_size = \"9MiB\"\nmax_nar_size = \"1MiB\"";
        reload_server(&mut server, "spool_size = \"1MiB\"", larger);
        let shorter = "max_nar_size = \"9MiB\"\nroots = \"1h\"";
        reload_server(&mut server, "max_nar_size = \"1MiB\"\nroots = \"9d\"", shorter);
        assert_eq!(machine.put(&server, &target, file).status(), 201);
        assert_eq!(machine.put_narinfo(&server, &narinfo).status(), 201);
        let link = fs::read_dir(machine.roots()).unwrap().next().unwrap().unwrap().path();
        // The time of the link is when it goes.
        let expires = fs::symlink_metadata(link).unwrap().modified().unwrap();
        let left = expires.duration_since(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_secs(3600), "{left:?}");
    }
}
