use proptest::prelude::*;
use rns_formats::{ContentAddress, NarInfo, PathInfo, StoreDir};

use crate::arbitrary;
use crate::vectors::{signed, top};

fn path_info(narinfo: &NarInfo) -> PathInfo {
    PathInfo {
        path: narinfo.store_path.clone(),
        nar_hash: narinfo.nar_hash,
        nar_size: narinfo.nar_size,
        references: narinfo.references.clone(),
        deriver: narinfo.deriver.clone(),
        signatures: narinfo.signatures.clone(),
        ca: narinfo.ca,
        provenance: None,
        unknown: Vec::new(),
        ultimate: true,
        registration_time: 1,
    }
}

#[test]
fn the_fingerprint_is_the_text_nix_signs() {
    let info = path_info(&top().narinfo);
    assert_eq!(
        info.fingerprint(&StoreDir::default()),
        "1;/nix/store/6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt;\
         sha256:0gm2wvj3q0lzzc24fm9zh8msy4sycq2nsxl15rb9bavp0ln59nzn;176;\
         /nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"
    );
}

#[test]
fn without_references_the_fingerprint_ends_with_a_semicolon() {
    let tree = signed().into_iter().find(|signed| signed.narinfo.store_path.name() == "tree");
    assert_eq!(
        path_info(&tree.unwrap().narinfo).fingerprint(&StoreDir::default()),
        "1;/nix/store/4hgnzv75gip1q649b6g1xql7g25p304s-tree;\
         sha256:1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5;1432;"
    );
}

#[test]
fn the_fingerprint_lists_the_path_itself_and_sorts() {
    let mut info = path_info(&top().narinfo);
    info.references.push(info.path.clone());
    let fingerprint = info.fingerprint(&StoreDir::default());
    assert!(
        fingerprint.ends_with(
            ";176;/nix/store/6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt,\
             /nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"
        ),
        "{fingerprint}"
    );
}

#[test]
fn the_fingerprint_names_the_store_directory() {
    let dir = StoreDir::parse("/foo/store").unwrap();
    let fingerprint = path_info(&top().narinfo).fingerprint(&dir);
    assert!(fingerprint.starts_with("1;/foo/store/6jq25"), "{fingerprint}");
    assert!(fingerprint.ends_with(";/foo/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"));
}

#[test]
fn a_content_addressed_path_is_told_from_one_that_only_claims_to_be() {
    let dir = StoreDir::default();
    for vector in signed() {
        let info = path_info(&vector.narinfo);
        assert!(info.is_content_addressed(&dir), "{}", info.path);
        let other = ContentAddress::parse(
            "fixed:r:sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
        );
        assert!(!PathInfo { ca: other.ok(), ..info.clone() }.is_content_addressed(&dir));
        assert!(!PathInfo { ca: None, ..info }.is_content_addressed(&dir));
    }
}

proptest! {
    #[test]
    fn the_fingerprint_does_not_depend_on_the_order_of_references(
        info in arbitrary::path_info(),
        dir in arbitrary::store_dir(),
    ) {
        let mut reversed = info.clone();
        reversed.references.reverse();
        let fingerprint = info.fingerprint(&dir);
        prop_assert_eq!(&reversed.fingerprint(&dir), &fingerprint);
        let listed: Vec<_> = fingerprint.rsplit(';').next().unwrap().split(',').collect();
        prop_assert!(listed.is_sorted());
    }
}
