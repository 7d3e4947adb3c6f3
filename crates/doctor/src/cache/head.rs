//! HEAD, which must have the headers of GET.

use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderValue, RANGE},
};

use super::{discovery::FoundNarInfo, subject::CacheSubject};
use crate::{Finding, FindingId, Outcome};

/// The longest answer that is read of a GET that is refused as HEAD was, in bytes.
const MAX_REFUSED_HEAD_BYTES: usize = 64 << 10;

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let FoundNarInfo { hash, narinfo } = match cache.narinfo().await {
        Ok(found) => found,
        Err(error) => return error.outcome(),
    };
    let nar = narinfo.as_ref().ok().map(|narinfo| narinfo.url.clone());
    let mut findings = Vec::new();
    for name in [Some(format!("{hash}.narinfo")), nar].into_iter().flatten() {
        let url = match cache.below(&name) {
            Ok(url) => url,
            Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
        };
        match cache.http.send(Method::HEAD, url.clone(), HeaderMap::new(), 0).await {
            Ok(answer) if answer.status == 200 => {}
            // Other checks tell why GET fails.
            Ok(answer) if is_same_for_get(cache, &url, answer.status).await => {}
            Ok(answer) => findings.push(Finding::new(
                FindingId::HeadDiffers,
                format!("HEAD {url} is answered with status {}", answer.status),
                format!("curl -I {url}   # let the proxy pass HEAD on as it passes GET"),
            )),
            Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
        }
    }
    Outcome::of(findings, "HEAD is answered as GET is")
}

/// Whether GET is answered with the same status.
async fn is_same_for_get(cache: &CacheSubject, url: &Url, status: u16) -> bool {
    let mut first = HeaderMap::new();
    first.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
    let answer = cache.http.send(Method::GET, url.clone(), first, MAX_REFUSED_HEAD_BYTES).await;
    answer.is_ok_and(|answer| answer.status == status)
}
