//! Every name a cache answers to, and many that it must not.

#![expect(
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a helper of a test may fail loudly too"
)]

use rns_formats::url::{is_reserved_segment, parse};
use rns_formats::{
    BuildId, Compression, DrvOutputId, HashPart, NarName, Resource, RootName, RootNameError,
    Sha256Digest, StorePath,
};

const HASH: &str = "4hgnzv75gip1q649b6g1xql7g25p304s";
const NAR: &str = "1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5";
const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

fn hash() -> HashPart {
    HashPart::parse(HASH).unwrap()
}

fn nar_hash() -> Sha256Digest {
    Sha256Digest::parse_nix32(NAR).unwrap()
}

/// Splits at the first `?`, as HTTP does, and parses.
fn at(url: &str) -> Option<Resource> {
    match url.split_once('?') {
        Some((path, query)) => parse(path, Some(query)),
        None => parse(url, None),
    }
}

#[track_caller]
fn nothing(urls: &[String]) {
    for url in urls {
        assert_eq!(at(url), None, "{url}");
    }
}

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

#[test]
fn c46_nars_by_every_url_that_clients_remember() {
    let name = |hash_part: Option<HashPart>, nar_hash: Option<Sha256Digest>, compression| {
        (hash_part, nar_hash, compression)
    };
    let none = Compression::None;
    for (url, want) in [
        ("/nar/H-N.nar", name(Some(hash()), Some(nar_hash()), none)),
        ("/nar/H-N.nar?hash=ignored", name(Some(hash()), Some(nar_hash()), none)),
        ("/nar/H.nar", name(Some(hash()), None, none)),
        ("/nar/N.nar", name(None, Some(nar_hash()), none)),
        ("/nar/N.nar?x=y", name(None, Some(nar_hash()), none)),
        ("/nar/N.nar?hash=H", name(Some(hash()), Some(nar_hash()), none)),
        ("/nar/N.nar?a=b&hash=H&c", name(Some(hash()), Some(nar_hash()), none)),
        ("/nar/H-N.nar.zst", name(Some(hash()), Some(nar_hash()), Compression::Zstd)),
        ("/nar/H-N.nar.xz", name(Some(hash()), Some(nar_hash()), Compression::Xz)),
        ("/nar/H.nar.zst", name(Some(hash()), None, Compression::Zstd)),
        ("/nar/N.nar.bz2", name(None, Some(nar_hash()), Compression::Bzip2)),
        ("/nar/N.nar.lzip", name(None, Some(nar_hash()), Compression::Lzip)),
        ("/nar/N.nar.lz4", name(None, Some(nar_hash()), Compression::Lz4)),
        ("/nar/N.nar.br", name(None, Some(nar_hash()), Compression::Br)),
        // C47
        ("//nar/H-N.nar", name(Some(hash()), Some(nar_hash()), none)),
        ("//nar//H-N.nar", name(Some(hash()), Some(nar_hash()), none)),
        ("/nar/H%2DN.nar", name(Some(hash()), Some(nar_hash()), none)),
    ] {
        let url = url.replace('H', HASH).replace('N', NAR);
        let Some(Resource::Nar(nar)) = at(&url) else { panic!("{url} names no NAR") };
        assert_eq!((nar.hash_part, nar.nar_hash, nar.compression), want, "{url}");
    }
}

#[test]
fn c48_other_names_below_nar_name_nothing() {
    let urls = [
        "/nar",
        "/nar/",
        "/nar/.nar",
        "/nar/-.nar",
        "/nar/H",
        "/nar/H-N",
        "/nar/H-N.",
        "/nar/H-N.na",
        "/nar/H-N.narx",
        "/nar/H-N.nar.",
        "/nar/H-N.nar.7z",
        "/nar/H-N.nar.zst.xz",
        "/nar/H-N.xz",
        "/nar/N-H.nar",
        "/nar/H-H.nar",
        "/nar/N-N.nar",
        "/nar/H-N-N.nar",
        "/nar/HN.nar",
        "/nar/H-.nar",
        "/nar/-N.nar",
        "/nar/H-N.nar/",
        "/nar/H/N.nar",
        "/nar/../nar/H-N.nar",
        "/nar/%2e%2e/nar/H-N.nar",
        "/nar/./H-N.nar",
        "/nar/%2e/H-N.nar",
        "/nar%2fH-N.nar",
        "/nar/H-N.nar%00",
        "/nar/H%00-N.nar",
        "/nar/%2e%2e%2fnix-cache-info",
        "/nar/N.nar?hash=",
        "/nar/N.nar?hash=%",
        "/H-N.nar",
    ];
    nothing(&urls.map(|url| url.replace('H', HASH).replace('N', NAR)));
}

#[test]
fn canonical_urls_of_nars_are_read_back() {
    for compression in Compression::ALL {
        let name = NarName::new(hash(), nar_hash(), compression);
        let url = name.canonical_url();
        assert_eq!(url, format!("nar/{HASH}-{NAR}.nar{}", compression.file_suffix()));
        assert_eq!(at(&format!("/{url}")), Some(Resource::Nar(name)), "{url}");
    }
    for url in [format!("nar/{HASH}.nar.zst"), format!("nar/{NAR}.nar")] {
        let Some(Resource::Nar(name)) = at(&format!("/{url}")) else {
            panic!("{url} names no NAR")
        };
        assert_eq!(name.canonical_url(), url);
    }
}

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

fn served(url: &str) -> Option<(Vec<Vec<u8>>, bool)> {
    match at(&url.replace('H', HASH))? {
        Resource::Serve { hash, path } => {
            assert_eq!(hash, self::hash());
            let components: Vec<_> = path.components().map(<[u8]>::to_vec).collect();
            assert_eq!(path.as_bytes(), components.join(&b'/'));
            assert_eq!(path.is_empty(), components.is_empty());
            Some((components, path.trailing_slash()))
        }
        other => panic!("{url} names {other:?}"),
    }
}

#[test]
fn files_below_a_store_path() {
    for (url, components, trailing_slash) in [
        ("/serve/H", &[][..], false),
        ("/serve/H/", &[], true),
        ("/serve/H//", &[], true),
        ("/serve/H/a", &[&b"a"[..]], false),
        ("/serve/H/a/", &[b"a"], true),
        ("/serve/H//a//b", &[b"a", b"b"], false),
        ("/serve/H/a%20b+c/%ff?x=/y/", &[b"a b+c", b"\xff"], false),
        ("/serve/H/.../.hidden/a..", &[b"...", b".hidden", b"a.."], false),
        ("/serve/H/%252e%252e", &[b"%2e%2e"], false),
    ] {
        assert_eq!(
            served(url),
            Some((components.iter().map(|name| name.to_vec()).collect(), trailing_slash)),
            "{url}"
        );
    }
}

#[test]
fn nothing_outside_a_store_path_is_served() {
    for url in [
        "/serve",
        "/serve/",
        "/serve/H/..",
        "/serve/H/.",
        "/serve/H/../x",
        "/serve/H/a/../../x",
        "/serve/H/%2e%2e/x",
        "/serve/H/.%2e",
        "/serve/H/a%2fb",
        "/serve/H/%2fetc/passwd",
        "/serve/H/a%00",
        "/serve/H/a%",
        "/serve/H-name/a",
        "/serve/../serve/H/a",
        "/serve/%2e%2e/H",
        "/serve//etc/passwd",
    ] {
        assert_eq!(served(url), None, "{url}");
    }
    assert!(served(&format!("/serve/H/{}", "n".repeat(255))).is_some());
    assert_eq!(served(&format!("/serve/H/{}", "n".repeat(256))), None);
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
