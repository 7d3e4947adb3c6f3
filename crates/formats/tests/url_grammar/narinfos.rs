//! Narinfos and listings, by the hash part of their path.

use rns_formats::Resource;

use crate::support::{HASH, NAR, at, hash, nothing};

#[test]
fn narinfos() {
    let plain = Some(Resource::NarInfo { hash: hash(), json: false });
    for url in [
        "/H.narinfo",
        "//H.narinfo",
        "/H.narinfo?x",
        "/H.narinfo?",
        "/H.narinfo?xjson=1",
        "/%34hgnzv75gip1q649b6g1xql7g25p304s.narinfo",
    ] {
        assert_eq!(at(&url.replace('H', HASH)), plain, "{url}");
    }
    let json = Some(Resource::NarInfo { hash: hash(), json: true });
    for url in ["/H.narinfo?json", "/H.narinfo?json=1", "/H.narinfo?a=b&json"] {
        assert_eq!(at(&url.replace('H', HASH)), json, "{url}");
    }
}

#[test]
fn c20_a_malformed_hash_part_names_nothing() {
    let wrong = [
        HASH[1..].to_owned(),
        format!("{HASH}0"),
        HASH.to_uppercase(),
        format!("{}e", &HASH[..31]),
        format!("{}o", &HASH[..31]),
        format!("{}u", &HASH[..31]),
        format!("{}t", &HASH[..31]),
        format!("{}G", &HASH[..31]),
        format!("{}é", &HASH[..30]),
        String::new(),
    ];
    for hash in wrong {
        nothing(&[
            format!("/{hash}.narinfo"),
            format!("/{hash}.ls"),
            format!("/nar/{hash}.nar"),
            format!("/nar/{hash}-{NAR}.nar"),
            format!("/nar/{NAR}.nar?hash={hash}"),
            format!("/serve/{hash}/x"),
            format!("/log/{hash}-x.drv"),
        ]);
    }
}

#[test]
fn narinfos_are_nowhere_else() {
    nothing(&[
        format!("/{HASH}"),
        format!("/{HASH}."),
        format!("/{HASH}.narinfo/"),
        format!("/{HASH}.narinfo.narinfo"),
        format!("/{HASH}.NARINFO"),
        format!("/{HASH}-name.narinfo"),
        format!("/x/{HASH}.narinfo"),
        format!("/nix/store/{HASH}.narinfo"),
        format!("/{HASH}%2enarinfo%00"),
        format!("/%2e%2e/{HASH}.narinfo"),
        format!("/{HASH}.narinfo%20"),
        format!(" /{HASH}.narinfo"),
    ]);
}

#[test]
fn listings() {
    assert_eq!(at(&format!("/{HASH}.ls")), Some(Resource::Listing(hash())));
    nothing(&[format!("/{HASH}.ls/"), format!("/{HASH}.lsx"), format!("/nar/{HASH}.ls")]);
}
