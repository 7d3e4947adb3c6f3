//! Texts of names, and the reading of a URL.

use rns_formats::{HashPart, Resource, Sha256Digest, url::parse};

pub(super) const HASH: &str = "4hgnzv75gip1q649b6g1xql7g25p304s";
pub(super) const NAR: &str = "1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5";

pub(super) fn hash() -> HashPart {
    HashPart::parse(HASH).unwrap()
}

pub(super) fn nar_hash() -> Sha256Digest {
    Sha256Digest::parse_nix32(NAR).unwrap()
}

/// Splits at the first `?`, as HTTP does, and parses.
pub(super) fn at(url: &str) -> Option<Resource> {
    match url.split_once('?') {
        Some((path, query)) => parse(path, Some(query)),
        None => parse(url, None),
    }
}

#[track_caller]
pub(super) fn nothing(urls: &[String]) {
    for url in urls {
        assert_eq!(at(url), None, "{url}");
    }
}
