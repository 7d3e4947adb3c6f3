//! The fixtures themselves: the verdict of a real Nix on a store that was made without Nix.

use std::fs;

use rns_testing::{Nix, Standard};

fn each_nix(check: impl Fn(&Nix)) {
    for nix in [Nix::v2_8(), Nix::v2_34()].into_iter().flatten() {
        check(&nix);
    }
}

#[test]
fn well_known_trees_get_the_paths_that_real_nix_gave_them() {
    let standard = Standard::new();
    assert_eq!(standard.tree.as_str(), "4hgnzv75gip1q649b6g1xql7g25p304s-tree");
    assert_eq!(standard.dep.as_str(), "kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt");
    assert_eq!(standard.top.as_str(), "6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt");
    let info = standard.store.info(&standard.top);
    assert_eq!(
        info.nar_hash.to_string(),
        "sha256:0gm2wvj3q0lzzc24fm9zh8msy4sycq2nsxl15rb9bavp0ln59nzn"
    );
    assert_eq!(info.nar_size, 176);
}

#[test]
fn real_nix_finds_nothing_wrong_with_the_standard_store() {
    each_nix(|nix| {
        let standard = Standard::new();
        let client = nix.client().with_root(standard.store.root());
        let verified = client.run("nix-store", ["--verify", "--check-contents"]).success();
        assert!(!verified.stderr.contains("modified"), "{}", verified.stderr);
        let listed = client.run(
            "nix-store",
            ["--query", "--references", &format!("/nix/store/{}", standard.itself)],
        );
        assert_eq!(listed.success().text().lines().count(), 2);
    });
}

#[test]
fn real_nix_makes_the_same_nars() {
    each_nix(|nix| {
        let standard = Standard::new();
        let client = nix.client();
        for path in [
            &standard.tree,
            &standard.bytes,
            &standard.link,
            &standard.executable,
            &standard.special,
        ] {
            let real = standard.store.real_path(path);
            assert!(
                client.dump(&real) == standard.store.nar(path),
                "{path} with Nix {}",
                nix.version
            );
        }
    });
}

#[test]
fn everything_is_gone_afterwards_although_paths_are_not_writable() {
    let standard = Standard::new();
    let root = standard.store.root().to_owned();
    assert!(
        fs::metadata(standard.store.real_path(&standard.tree)).unwrap().permissions().readonly()
    );
    drop(standard);
    assert!(!root.exists());
}

#[test]
fn real_nix_notices_when_something_is_wrong_with_a_fixture() {
    each_nix(|nix| {
        let standard = Standard::new();
        let file = standard.store.real_path(&standard.dep);
        fs::remove_file(&file).unwrap();
        fs::write(&file, "other contents\n").unwrap();
        let client = nix.client().with_root(standard.store.root());
        let verified = client.run("nix-store", ["--verify", "--check-contents"]);
        assert!(verified.failure().stderr.contains("modified"));
    });
}
