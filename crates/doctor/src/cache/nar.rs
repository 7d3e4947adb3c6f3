//! A NAR: downloaded, unpacked, and compared with its narinfo.

use reqwest::{
    Method,
    header::{ACCEPT_ENCODING, HeaderMap, HeaderValue},
};
use rns_formats::NarInfo;
use rns_verify::{DecoderMemory, NarFacts, NarRejection, check_nar};
use tokio::task::spawn_blocking;

use super::{http::HttpAnswer, subject::CacheSubject};
use crate::{Finding, FindingId, Outcome};

/// The largest file of a NAR that is downloaded, in bytes.
pub(super) const MAX_NAR_FILE_BYTES: usize = 128 << 20;

/// The largest NAR that is unpacked, in bytes.
const MAX_NAR_BYTES: u64 = 2 << 30;

/// The memory of the decoder, in bytes.
const DECODER_BYTES: u64 = 256 << 20;

/// The codings that Nix offers in `Accept-Encoding`.
const CODINGS: &str = "deflate, gzip, br, zstd";

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let narinfo = match cache.usable_narinfo().await {
        Ok((_, narinfo)) => narinfo,
        Err(outcome) => return outcome,
    };
    let mut findings = Vec::new();
    let mut offered = HeaderMap::new();
    offered.insert(ACCEPT_ENCODING, HeaderValue::from_static(CODINGS));
    let mut answer = match download(cache, narinfo, offered).await {
        Ok(answer) => answer,
        Err(outcome) => return outcome,
    };
    if let Some(coding) = answer.content_encoding() {
        findings.push(Finding::new(
            FindingId::NarRecompressed,
            format!("{} comes with Content-Encoding: {coding}", narinfo.url),
            "nginx.conf: gzip off;   # in the location of the cache, or take application/x-nix-nar out of gzip_types",
        ));
        answer = match download(cache, narinfo, HeaderMap::new()).await {
            Ok(answer) => answer,
            Err(_) => return Outcome::Wrong(findings),
        };
    }
    let size = answer.body.len();
    match contents(narinfo.clone(), answer).await {
        Contents::Right => {}
        Contents::Wrong(finding) => findings.push(finding),
        Contents::Unseen(why) if findings.is_empty() => return Outcome::Unchecked(why),
        Contents::Unseen(_) => {}
    }
    Outcome::of(findings, format!("{} has the contents of its narinfo ({size} bytes)", narinfo.url))
}

/// The file of a NAR, or the outcome where there is none.
pub(super) async fn download(
    cache: &CacheSubject,
    narinfo: &NarInfo,
    headers: HeaderMap,
) -> Result<HttpAnswer, Outcome> {
    let unchecked = |why: String| Outcome::Unchecked(why);
    let url = cache.below(&narinfo.url).map_err(|trouble| unchecked(trouble.to_string()))?;
    if narinfo.file_size.unwrap_or(narinfo.nar_size) > MAX_NAR_FILE_BYTES as u64 {
        return Err(unchecked(format!(
            "{} is large: name a smaller path with --path",
            narinfo.url
        )));
    }
    let answer = cache.http.send(Method::GET, url.clone(), headers, MAX_NAR_FILE_BYTES).await;
    let answer = answer.map_err(|trouble| unchecked(trouble.to_string()))?;
    match answer.status {
        200 | 206 => Ok(answer),
        status => Err(Outcome::wrong(Finding::new(
            FindingId::NarMissing,
            format!("{url} is answered with status {status}"),
            match url.query() {
                // Without it, the cache does not know which NAR is meant.
                Some(_) => {
                    "nginx.conf: proxy_pass http://UPSTREAM$request_uri;   # or the cache has lost the NAR"
                }
                None => {
                    "rust-nix-serve storage verify --repair   # on the server, if it has a storage"
                }
            },
        ))),
    }
}

/// The result of unpacking a NAR.
enum Contents {
    Right,
    Wrong(Finding),
    /// It could not be unpacked here; the reason.
    Unseen(String),
}

async fn contents(narinfo: NarInfo, answer: HttpAnswer) -> Contents {
    let compression = narinfo.compression;
    let memory = DecoderMemory::new(DECODER_BYTES);
    let check = move || check_nar(&answer.body[..], compression, MAX_NAR_BYTES, &memory);
    let why = match spawn_blocking(check).await {
        Ok(Ok(NarFacts { nar_hash, nar_size }))
            if nar_hash == narinfo.nar_hash && nar_size == narinfo.nar_size =>
        {
            return Contents::Right;
        }
        Ok(Ok(NarFacts { nar_hash, nar_size })) => {
            format!("it has {nar_size} bytes with {nar_hash}")
        }
        // Nix can.
        Ok(Err(error @ (NarRejection::TooLarge { .. } | NarRejection::Unsupported(_)))) => {
            return Contents::Unseen(format!(
                "{} cannot be unpacked here: {error}; name another path with --path",
                narinfo.url
            ));
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => return Contents::Unseen(error.to_string()),
    };
    Contents::Wrong(Finding::new(
        FindingId::NarDamaged,
        format!("{} is not what its narinfo says: {why}", narinfo.url),
        "rust-nix-serve storage verify --content --repair   # or nix-store --verify --check-contents, on the server",
    ))
}
