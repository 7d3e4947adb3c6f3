//! Logs, build traces, realisations and debug information.

use rns_formats::{BuildId, DrvOutputId, Resource, StorePath};

use crate::support::{HASH, at, nothing};

const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

fn log(url: &str) -> Option<Vec<String>> {
    match at(&url.replace('H', HASH))? {
        Resource::Log(name) => {
            let hash = name.hash_part().map(|hash| hash.to_string());
            Some(name.candidates().map(ToString::to_string).chain(hash).collect())
        }
        other => panic!("{url} names {other:?}"),
    }
}

#[test]
fn logs_of_derivations_with_awkward_names() {
    for (url, want) in [
        ("/log/H-x.drv", &["H-x.drv"][..]),
        ("/log/H-gtk+-2.24.drv", &["H-gtk+-2.24.drv"]),
        ("/log/H-gtk%2B-2.24.drv", &["H-gtk+-2.24.drv"]),
        ("/log/H-ca-+x=1?y.drv", &["H-ca-+x=1?y.drv"]),
        ("/log/H-ca-+x=1%3Fy.drv", &["H-ca-+x=1?y.drv"]),
        ("/log/H-ca-%2Bx%3D1?y%2edrv", &["H-ca-+x=1?y.drv"]),
        ("/log/H-a?b?c.drv", &["H-a?b?c.drv"]),
        ("/log/H-x.drv?y.drv", &["H-x.drv?y.drv", "H-x.drv"]),
        ("/log/H-x.drv?cache=1", &["H-x.drv"]),
        ("/log/H-x.drv?", &["H-x.drv"]),
        ("/log/H-x.drv?%", &["H-x.drv"]),
        ("/log/H", &["H"]),
        ("/log/H-x.drv?/../y.drv", &["H-x.drv"]),
        ("//log//H-x.drv", &["H-x.drv"]),
    ] {
        let want: Vec<String> = want.iter().map(|name| name.replace('H', HASH)).collect();
        assert_eq!(log(url), Some(want), "{url}");
    }
    for url in [
        "/log",
        "/log/",
        "/log/H-x",
        "/log/H-.drv ",
        "/log/x.drv",
        "/log/H-x.drv/",
        "/log/nix/store/H-x.drv",
        "/log/H-x y.drv",
        "/log/H-x%20y.drv",
        "/log/..%2fH-x.drv",
        "/log/H-x%00.drv",
        "/log/H-a?b",
        "/log/H-é.drv",
    ] {
        assert_eq!(log(url), None, "{url}");
    }
}

#[test]
fn build_traces() {
    let trace = |drv: &str, output: &str| {
        let drv = StorePath::parse(&drv.replace('H', HASH)).unwrap();
        Some(Resource::BuildTrace { drv, output: output.to_owned() })
    };
    for (url, want) in [
        ("/build-trace-v2/H-x.drv/out.doi", trace("H-x.drv", "out")),
        ("/build-trace-v2/H-x.drv/out.doi?x=1", trace("H-x.drv", "out")),
        ("/build-trace-v2/H-a?b.drv/dev.doi", trace("H-a?b.drv", "dev")),
        ("/build-trace-v2/H-a%3Fb.drv/dev.doi", trace("H-a?b.drv", "dev")),
        ("//build-trace-v2//H-x%2b.drv//out.doi", trace("H-x+.drv", "out")),
        ("/build-trace-v2", None),
        ("/build-trace-v2/H-x.drv", None),
        ("/build-trace-v2/H-x.drv/", None),
        ("/build-trace-v2/H-x.drv/.doi", None),
        ("/build-trace-v2/H-x.drv/out", None),
        ("/build-trace-v2/H-x/out.doi", None),
        ("/build-trace-v2/H-x.drv/out.doi/", None),
        ("/build-trace-v2/H-x.drv/a/out.doi", None),
        ("/build-trace-v2/H-x.drv/a%2fb.doi", None),
        ("/build-trace-v2/H-x.drv/../out.doi", None),
        ("/build-trace-v2/H-x.drv?/out.doi", None),
    ] {
        assert_eq!(at(&url.replace('H', HASH)), want, "{url}");
    }
}

#[test]
fn realisations() {
    let hex = "a".repeat(64);
    let id = DrvOutputId::parse(&format!("sha256:{hex}!out")).unwrap();
    for url in [
        "/realisations/sha256:X!out.doi",
        "/realisations/sha256%3AX%21out.doi",
        "//realisations/sha256:X!out.doi?x",
    ] {
        assert_eq!(at(&url.replace('X', &hex)), Some(Resource::Realisation(id.clone())), "{url}");
    }
    let urls = [
        "/realisations",
        "/realisations/",
        "/realisations/X!out.doi",
        "/realisations/sha256:X!out",
        "/realisations/sha256:X!.doi",
        "/realisations/sha256:X.doi",
        "/realisations/md5:X!out.doi",
        "/realisations/sha256:X!a/b.doi",
        "/realisations/sha256:X!a%2fb.doi",
        "/realisations/sha256:Xa!out.doi",
    ];
    nothing(&urls.map(|url| url.replace('X', &hex)));
}

#[test]
fn debug_information() {
    let id = BuildId::parse(HEX).unwrap();
    assert_eq!(id.to_string(), HEX);
    assert_eq!(at(&format!("/debuginfo/{HEX}.debug")), Some(Resource::DebugInfo(id)));
    assert_eq!(at(&format!("/debuginfo/{HEX}")), Some(Resource::DebugInfo(id)));
    nothing(&[
        format!("/debuginfo/{HEX}.debug.debug"),
        format!("/debuginfo/{}.debug", HEX.to_uppercase()),
        format!("/debuginfo/{}.debug", &HEX[1..]),
        format!("/debuginfo/{HEX}0.debug"),
        format!("/debuginfo/{}/{}.debug", &HEX[..2], &HEX[2..]),
        format!("/debuginfo/{HEX}.debug/"),
        "/debuginfo".to_owned(),
        "/debuginfo/..debug".to_owned(),
    ]);
}
