//! NARs, by every URL that a narinfo has ever named.

use rns_formats::{Compression, HashPart, NarName, Resource, Sha256Digest};

use crate::support::{HASH, NAR, at, hash, nar_hash, nothing};

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
