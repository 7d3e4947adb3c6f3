//! Names without a hash, and the segments that begin a name.

use rns_formats::{
    Resource, RootName, RootNameError,
    url::{is_reserved_segment, parse},
};

use crate::support::at;

#[test]
fn fixed_names() {
    for (url, want) in [
        ("", Resource::Root),
        ("/", Resource::Root),
        ("//", Resource::Root),
        ("/?x", Resource::Root),
        ("/nix-cache-info", Resource::CacheInfo),
        ("//nix-cache-info", Resource::CacheInfo),
        ("/nix-cache-info?x=1", Resource::CacheInfo),
        ("/nix%2dcache-info", Resource::CacheInfo),
        ("/pubkey", Resource::PublicKeys),
        ("/api/cache-config", Resource::CacheConfig),
        ("/api/sample-path", Resource::SamplePath),
        ("/version", Resource::Version),
        ("/healthz", Resource::Healthz),
        ("/health", Resource::Healthz),
        ("/readyz", Resource::Readyz),
        ("/metrics", Resource::Metrics),
        ("/gcroots", Resource::GcRoots),
        ("/gcroots/", Resource::GcRoots),
        ("/gcroots?sizes=1", Resource::GcRoots),
        ("/gcroots/pr/1?days=7", Resource::GcRoot(RootName::parse("pr/1").unwrap())),
        ("//gcroots//a%2eb", Resource::GcRoot(RootName::parse("a.b").unwrap())),
        ("/gcroots/a%20b", Resource::NoGcRoot(RootNameError::Character)),
        ("/gcroots/a/.b", Resource::NoGcRoot(RootNameError::Dot)),
        ("/missing", Resource::MissingPaths),
    ] {
        assert_eq!(at(url), Some(want), "{url}");
    }
    for url in [
        "nix-cache-info",
        "*",
        "/nix-cache-info/",
        "/nix-cache-info/x",
        "/Nix-cache-info",
        "/x/nix-cache-info",
        "/nix-cache-infos",
        "/./nix-cache-info",
        "/nar/../nix-cache-info",
        "/nix-cache-info%00",
        "/nix-cache-info%2f",
        "/%252e",
        "/nix-cache-inf%6",
        "/metrics ",
        "/favicon.ico",
        "/robots.txt",
        "/index.html",
        "/.well-known/acme-challenge/x",
    ] {
        assert_eq!(at(url), None, "{url}");
    }
}

#[test]
fn a_segment_that_begins_a_name_is_reserved() {
    let hash = "00000000000000000000000000000001";
    let (build_id, digest) = ("0".repeat(40), "0".repeat(64));
    for name in [
        "nix-cache-info".to_owned(),
        format!("{hash}.narinfo"),
        format!("{hash}.ls"),
        format!("nar/{hash}.nar"),
        format!("log/{hash}-x.drv"),
        format!("build-trace-v2/{hash}-x.drv/out.doi"),
        format!("realisations/sha256:{digest}!out.doi"),
        format!("debuginfo/{build_id}.debug"),
        format!("serve/{hash}/"),
        "pubkey".to_owned(),
        "version".to_owned(),
        "healthz".to_owned(),
        "health".to_owned(),
        "readyz".to_owned(),
        "metrics".to_owned(),
    ] {
        assert!(parse(&format!("/{name}"), None).is_some(), "{name}");
        assert!(is_reserved_segment(name.split('/').next().unwrap()), "{name}");
    }
    for free in ["team-a", "nars", "narinfo", "x.tar.xz", "ls"] {
        assert!(!is_reserved_segment(free), "{free}");
    }
}
