//! Ranges, by which a download goes on that was cut.

use reqwest::header::{ACCEPT_RANGES, HeaderMap, HeaderValue, RANGE};

use super::{nar::download, subject::CacheSubject};
use crate::{Finding, FindingId, Outcome};

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let narinfo = match cache.usable_narinfo().await {
        Ok((_, narinfo)) => narinfo,
        Err(outcome) => return outcome,
    };
    let whole = match download(cache, narinfo, HeaderMap::new()).await {
        Ok(answer) => answer,
        Err(Outcome::Wrong(_)) => return Outcome::Unchecked("there is no NAR".to_owned()),
        Err(outcome) => return outcome,
    };
    // As after a cut in the middle.
    let start = whole.body.len() / 2;
    let mut headers = HeaderMap::new();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes={start}-")) {
        headers.insert(RANGE, range);
    }
    let rest = match download(cache, narinfo, headers).await {
        Ok(answer) => answer,
        Err(Outcome::Wrong(_)) => {
            return ignored(format!("a range of {} is refused", narinfo.url));
        }
        Err(outcome) => return outcome,
    };
    if rest.status != 206 {
        return ignored(format!("{} is sent whole when its second half is asked for", narinfo.url));
    }
    if whole.body.get(start..) != Some(&rest.body[..]) {
        return Outcome::wrong(Finding::new(
            FindingId::RangeWrong,
            format!("a range of {} has other bytes than the whole", narinfo.url),
            "nginx.conf: proxy_cache off;   # and no compression: gzip off;",
        ));
    }
    // Nix resumes only downloads that were said to be resumable.
    if whole.header(ACCEPT_RANGES) != Some("bytes") {
        return ignored(format!("{} comes without Accept-Ranges: bytes", narinfo.url));
    }
    Outcome::Sound("a cut download can go on".to_owned())
}

fn ignored(what: String) -> Outcome {
    Outcome::wrong(Finding::new(
        FindingId::RangeIgnored,
        what,
        "nginx.conf: proxy_set_header Range $http_range;   # and pass Accept-Ranges back to clients",
    ))
}
