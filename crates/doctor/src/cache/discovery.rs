//! A path that the cache has.

use futures_util::{StreamExt as _, stream};
use rns_formats::{HashPart, MAX_NARINFO_BYTES, NarInfo, NarInfoError, StoreDir, StorePath};
use serde::Deserialize;
use url::Url;

use super::http::{HttpProbe, Trouble};
use crate::Outcome;

/// The longest answer that names a path, in bytes.
const MAX_OFFER_BYTES: usize = 4 << 10;

/// Questions at the same time.
const MAX_PROBES: usize = 8;

/// Narinfos of which the one with the smallest NAR is taken.
const MAX_NARINFO_CHOICE: usize = 4;

/// The reason for having no narinfo to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoveryError {
    /// No path is known that the cache has: nothing is wrong with that.
    #[error("no path of the cache is known")]
    NoPath,
    /// The cache has none of the paths that the user says it has.
    #[error("the cache has none of the paths that --path names")]
    Missing,
    /// The cache answers with this status.
    #[error("narinfos are answered with status {0}")]
    Status(u16),
    /// There is no answer.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// There is no such URL.
    #[error(transparent)]
    Url(#[from] url::ParseError),
}

impl DiscoveryError {
    /// The outcome of a check that needs a narinfo.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            // The check of the path itself hints at it.
            Self::NoPath => Outcome::NotApplicable,
            other => Outcome::Unchecked(other.to_string()),
        }
    }
}

/// The reason for which a client refuses a narinfo.
#[derive(Debug, thiserror::Error)]
pub(super) enum NarInfoFault {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] NarInfoError),
    /// It is about another path.
    #[error("it is about {0}")]
    OtherPath(StorePath),
}

/// A narinfo of the cache.
#[derive(Debug)]
pub(super) struct FoundNarInfo {
    pub(super) hash: HashPart,
    /// The narinfo, or the reason for which a client refuses it.
    pub(super) narinfo: Result<NarInfo, NarInfoFault>,
}

/// The place of narinfos.
pub(super) struct NarInfoSource<'a> {
    pub(super) http: &'a HttpProbe,
    pub(super) base: &'a Url,
    /// That of the cache. The client may have another one, which is a finding of its own.
    pub(super) store_dir: StoreDir,
}

/// Asks for the paths that the client may know, until there is a choice. `None`: the cache has none of them.
pub(super) async fn find(
    place: &NarInfoSource<'_>,
    paths: &[HashPart],
) -> Result<Option<FoundNarInfo>, DiscoveryError> {
    let answers = stream::iter(paths).map(|hash| ask(place, *hash)).buffered(MAX_PROBES);
    let mut answers = std::pin::pin!(answers);
    let (mut found, mut last_error) = (Vec::new(), None);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Some(one)) => found.push(one),
            Ok(None) => {}
            Err(error) => {
                last_error = Some(error);
                break;
            }
        }
        if found.len() >= MAX_NARINFO_CHOICE {
            break;
        }
    }
    let size = |found: &FoundNarInfo| found.narinfo.as_ref().map_or(0, |narinfo| narinfo.nar_size);
    match (found.into_iter().min_by_key(size), last_error) {
        (None, Some(error)) => Err(error),
        (smallest, _) => Ok(smallest),
    }
}

/// A path that the cache itself offers to be tried with, as a server of this program does. Others offer none.
pub(super) async fn offered(place: &NarInfoSource<'_>) -> Result<Option<HashPart>, DiscoveryError> {
    #[derive(Deserialize)]
    struct Offer {
        path: Option<String>,
    }
    let url = place.base.join("api/sample-path")?;
    let answer = place.http.get(url, MAX_OFFER_BYTES).await?;
    if answer.status == 401 {
        return Err(DiscoveryError::Status(answer.status));
    }
    // Some servers answer every question with a page.
    let offer = serde_json::from_slice::<Offer>(&answer.body).ok();
    let path = offer.filter(|_| answer.status == 200).and_then(|offer| offer.path);
    let path = path.and_then(|path| StorePath::parse(path.rsplit('/').next()?).ok());
    Ok(path.map(|path| path.hash_part()))
}

async fn ask(
    place: &NarInfoSource<'_>,
    hash: HashPart,
) -> Result<Option<FoundNarInfo>, DiscoveryError> {
    let url = place.base.join(&format!("{hash}.narinfo"))?;
    let answer = place.http.get(url, MAX_NARINFO_BYTES).await?;
    match answer.status {
        200 => {}
        404 | 410 => return Ok(None),
        status => return Err(DiscoveryError::Status(status)),
    }
    let text = String::from_utf8_lossy(&answer.body);
    let narinfo = match NarInfo::parse(&text, &place.store_dir) {
        Ok(narinfo) if narinfo.store_path.hash_part() == hash => Ok(narinfo),
        Ok(narinfo) => Err(NarInfoFault::OtherPath(narinfo.store_path)),
        Err(error) => Err(error.into()),
    };
    Ok(Some(FoundNarInfo { hash, narinfo }))
}
