//! `POST /missing`: those of many paths that a pusher still has to upload. One question instead of thousands.

use std::fmt::Write as _;

use actix_web::http::StatusCode;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rns_cache::{PublishError, WritableCache};
use rns_formats::HashPart;

use super::body::IncomingBody;
use crate::{
    caches::cache::Cache,
    response::{self, Answer},
};

/// Paths that are looked up at the same time for one question.
const MAX_PATH_LOOKUPS: usize = 32;

/// Answers with those hash parts of the body, one a line, that the cache does not have as its pushers see it. For the
/// others it is the promise that the answer to a narinfo at the push address is: they stay for their grace.
///
/// # Errors
/// `Malformed` when a line is no hash part; `Cache` when one path cannot be looked up.
pub(super) async fn answer(
    cache: &Cache,
    target: &dyn WritableCache,
    incoming: IncomingBody<'_>,
) -> Result<Answer, PublishError> {
    let body = incoming.small(target).await?;
    let hashes = hash_parts(&body)?;
    let lookups = stream::iter(hashes).map(async |hash| {
        let found = cache.store.path_info(hash).await?;
        Ok::<_, PublishError>(found.is_none().then_some(hash))
    });
    let missing: Vec<HashPart> = lookups
        .buffered(MAX_PATH_LOOKUPS)
        .try_filter_map(async |missing| Ok(missing))
        .try_collect()
        .await?;
    let mut text = String::new();
    for hash in missing {
        // Writing to a text cannot fail.
        _ = writeln!(text, "{hash}");
    }
    Ok(response::plain(StatusCode::OK, text))
}

fn hash_parts(body: &[u8]) -> Result<Vec<HashPart>, PublishError> {
    let malformed =
        |why: String| PublishError::Malformed { object: "the question".to_owned(), why };
    let text = str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    let lines = text.lines().enumerate();
    lines
        .map(|(number, line)| {
            HashPart::parse(line)
                .map_err(|error| malformed(format!("line {}: {error}", number + 1)))
        })
        .collect()
}
