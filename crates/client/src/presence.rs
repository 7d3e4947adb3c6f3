//! The question for those of many paths that a cache does not have.

use std::{collections::HashSet, fmt::Write as _};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Method, StatusCode};
use rns_formats::HashPart;

use crate::{
    cache_client::CacheClient,
    error::{RequestError, RequestFailure},
    send::{CacheRequest, said},
};

/// Paths in one question.
const MAX_PRESENCE_BATCH: usize = 2_000;

/// Bytes of a hash part and the end of its line.
const LINE_BYTES: usize = 33;

/// Single questions that are waited for at the same time; the client bounds how many are sent.
const MAX_SINGLE_QUESTIONS: usize = 64;

/// Statuses of servers that do not know the question.
const NOT_OFFERED: [StatusCode; 8] = [
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::GONE,
    StatusCode::LENGTH_REQUIRED,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::NOT_IMPLEMENTED,
];

/// The words by which this program's server refuses a token that it knows.
const LACKS_PERMISSION: &str = "lacks the permission";

impl CacheClient {
    /// Those of the paths that the cache does not have as its pushers see it: in one question where the server offers
    /// that, otherwise by a question for each.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn missing(&self, hashes: &[HashPart]) -> Result<HashSet<HashPart>, RequestError> {
        let mut missing = HashSet::new();
        for batch in hashes.chunks(MAX_PRESENCE_BATCH) {
            match self.ask_batch(batch).await? {
                Some(found) => missing.extend(found),
                None => missing.extend(self.ask_each(batch).await?),
            }
        }
        Ok(missing)
    }

    /// The answer to one question. `None`: this server does not know it.
    async fn ask_batch(&self, hashes: &[HashPart]) -> Result<Option<Vec<HashPart>>, RequestError> {
        let known = &self.shared.answers_batches;
        if known.get() == Some(&false) {
            return Ok(None);
        }
        let mut question = String::with_capacity(hashes.len() * LINE_BYTES);
        for hash in hashes {
            // Writing to a text cannot fail.
            _ = writeln!(question, "{hash}");
        }
        let limit = question.len();
        let request = CacheRequest {
            method: Method::POST,
            url: self.below(&self.push_url(), "missing")?,
            content_type: Some("text/plain"),
            accept: None,
            built_path: None,
            body: Some(Bytes::from(question).into()),
            answer_limit: limit,
        };
        let reply = match self.send(&request, &NOT_OFFERED).await {
            Ok(reply) => reply,
            // A server that answers everything with a page does not know the question either.
            Err(RequestError { failure: RequestFailure::Malformed(_), .. }) => {
                return Ok(self.without_batches());
            }
            Err(error) => return Err(error),
        };
        // The answer of a server that knows the question and requires a permission for it.
        let refusal = said(&reply.body);
        if reply.status == StatusCode::FORBIDDEN && refusal.contains(LACKS_PERMISSION) {
            return Err(RequestError::new(request.name(), RequestFailure::Forbidden(refusal)));
        }
        let answer = (reply.status == StatusCode::OK).then(|| answer(&reply.body, hashes));
        match answer.flatten() {
            Some(missing) => {
                _ = known.set(true);
                Ok(Some(missing))
            }
            None => Ok(self.without_batches()),
        }
    }

    fn without_batches<T>(&self) -> Option<T> {
        _ = self.shared.answers_batches.set(false);
        None
    }

    async fn ask_each(&self, hashes: &[HashPart]) -> Result<Vec<HashPart>, RequestError> {
        let questions = stream::iter(hashes).map(async |hash| {
            let is_there = self.has_path(hash).await?;
            Ok((!is_there).then_some(*hash))
        });
        let asked = questions.buffer_unordered(MAX_SINGLE_QUESTIONS);
        asked.try_filter_map(async |missing| Ok(missing)).try_collect().await
    }
}

/// The hash parts of an answer, if it is one to this question.
fn answer(body: &[u8], asked: &[HashPart]) -> Option<Vec<HashPart>> {
    let asked: HashSet<&HashPart> = asked.iter().collect();
    let lines = str::from_utf8(body).ok()?.lines();
    lines.map(|line| HashPart::parse(line).ok().filter(|hash| asked.contains(hash))).collect()
}
