//! A path that the cache has.

use futures_util::{StreamExt as _, stream};
use rns_formats::{HashPart, NarInfo, StoreDir};
use url::Url;

use super::http::Http;

/// The longest narinfo, in bytes: some 20,000 references.
pub(super) const MAX_NARINFO_BYTES: usize = 2 << 20;

/// Questions at the same time.
const MAX_QUESTIONS: usize = 8;

/// Narinfos of which the one with the smallest NAR is taken.
const MAX_CHOICE: usize = 4;

/// A narinfo of the cache.
#[derive(Clone, Debug)]
pub(super) struct FoundNarInfo {
    pub(super) hash: HashPart,
    /// The narinfo, or the reason for which a client refuses it.
    pub(super) narinfo: Result<NarInfo, String>,
}

/// The place of narinfos.
pub(super) struct NarInfoSource<'a> {
    pub(super) http: &'a Http,
    pub(super) base: &'a Url,
    /// That of the cache. The client may have another one, which is a finding of its own.
    pub(super) store_dir: StoreDir,
}

/// Asks for the paths that the client may know, until there is a choice.
pub(super) async fn find(place: &NarInfoSource<'_>, paths: &[HashPart]) -> Result<FoundNarInfo, String> {
    if paths.is_empty() {
        return Err("no path of the cache is known: name one with --path".to_owned());
    }
    let answers = stream::iter(paths).map(|hash| ask(place, *hash)).buffered(MAX_QUESTIONS);
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
        if found.len() >= MAX_CHOICE {
            break;
        }
    }
    let size = |found: &FoundNarInfo| found.narinfo.as_ref().map_or(0, |narinfo| narinfo.nar_size);
    if let Some(smallest) = found.into_iter().min_by_key(size) {
        return Ok(smallest);
    }
    let tried = paths.len();
    Err(last_error.unwrap_or_else(|| {
        format!("the cache has none of the paths that were tried ({tried}): name one with --path")
    }))
}

async fn ask(place: &NarInfoSource<'_>, hash: HashPart) -> Result<Option<FoundNarInfo>, String> {
    let url = place.base.join(&format!("{hash}.narinfo")).map_err(|error| error.to_string())?;
    let answer = place.http.get(url, MAX_NARINFO_BYTES).await;
    let answer = answer.map_err(|trouble| trouble.to_string())?;
    match answer.status {
        200 => {}
        404 | 410 => return Ok(None),
        status => return Err(format!("narinfos are answered with status {status}")),
    }
    let text = String::from_utf8_lossy(&answer.body);
    let narinfo = NarInfo::parse(&text, &place.store_dir).map_err(|error| error.to_string());
    let narinfo = narinfo.and_then(|narinfo| match narinfo.store_path.hash_part() == hash {
        true => Ok(narinfo),
        false => Err(format!("it is about {}", narinfo.store_path)),
    });
    Ok(Some(FoundNarInfo { hash, narinfo }))
}
