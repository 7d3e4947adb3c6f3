//! One request: sent until it succeeds or there is no point in trying again.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, Response, StatusCode,
    header::{self, HeaderValue},
};
use rns_formats::{StorePath, url::BUILT_PATH_HEADER};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use crate::{
    body::UploadBody,
    cache_client::CacheClient,
    error::{RequestError, RequestFailure, WrongCredential},
    retry::{Tried, retry_after},
};

/// Redirects that are followed, as curl does for Nix.
pub const MAX_REDIRECTS: usize = 10;

/// The most that is read of a refusal, in bytes.
const MAX_REFUSAL_BYTES: usize = 4 << 10;

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct CacheRequest {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) accept: Option<&'static str>,
    /// A path that the build made whose log this is. A server of another program ignores it.
    pub(crate) built_path: Option<StorePath>,
    pub(crate) body: Option<UploadBody>,
    /// The most that is read of the answer, in bytes.
    pub(crate) answer_limit: usize,
}

/// The answer to a request: a success, or one of the statuses that the caller asked to see.
#[derive(Debug)]
pub(crate) struct CacheReply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl CacheRequest {
    pub(crate) const fn get(url: Url, answer_limit: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            content_type: None,
            accept: None,
            built_path: None,
            body: None,
            answer_limit,
        }
    }

    pub(crate) const fn put(url: Url, content_type: &'static str, body: UploadBody) -> Self {
        Self {
            method: Method::PUT,
            url,
            content_type: Some(content_type),
            accept: None,
            built_path: None,
            body: Some(body),
            answer_limit: MAX_REFUSAL_BYTES,
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

impl CacheClient {
    /// Sends a request until it is answered with a success, or with one of the statuses in `expected`.
    pub(crate) async fn send(
        &self,
        request: &CacheRequest,
        expected: &[StatusCode],
    ) -> Result<CacheReply, RequestError> {
        let mut tried = Tried::default();
        loop {
            self.shared.rest.over(&self.shared.liveness).await;
            let failure = match self.attempt(request, expected).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            if let Some(rest) = self.shared.retry.rest(&failure) {
                self.shared.rest.take(rest);
            }
            let Some(pause) = self.shared.retry.pause(&failure, &mut tried) else {
                return Err(RequestError::new(request.name(), failure));
            };
            tracing::debug!("{}: {failure}; tried again in {pause:?}", request.name());
            self.shared.liveness.pause(pause).await;
        }
    }

    async fn attempt(
        &self,
        request: &CacheRequest,
        expected: &[StatusCode],
    ) -> Result<CacheReply, RequestFailure> {
        let cut = |_| RequestFailure::Cut("the client is closed".to_owned());
        let _place = self.shared.places.acquire().await.map_err(cut)?;
        self.shared.liveness.note();
        let mut url = request.url.clone();
        let mut method = request.method.clone();
        for _ in 0..=MAX_REDIRECTS {
            let moved = Arc::new(AtomicU64::new(0));
            let answering = self.dispatch(&method, &url, request, &moved);
            let response = unless_stalled(answering, &moved, self.shared.stall_timeout).await?;
            let status = response.status();
            if let Some(next) = redirect(&response, &url) {
                if status == StatusCode::SEE_OTHER {
                    method = Method::GET;
                }
                url = next;
                continue;
            }
            if is_success(status) || expected.contains(&status) {
                let body = self.read(response, request.answer_limit).await?;
                self.shared.liveness.note();
                return Ok(CacheReply { status, body });
            }
            let has_credential = self.credential_for(&url).is_some();
            return Err(self.refusal(response, has_credential).await);
        }
        Err(RequestFailure::Malformed("it redirects for ever".to_owned()))
    }

    async fn dispatch(
        &self,
        method: &Method,
        url: &Url,
        request: &CacheRequest,
        moved: &Arc<AtomicU64>,
    ) -> Result<Response, RequestFailure> {
        let mut builder = self.shared.http.request(method.clone(), url.clone());
        if let Some(authorization) = self.credential_for(url) {
            builder = builder.header(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(content_type) = request.content_type {
            builder = builder.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(accept) = request.accept {
            builder = builder.header(header::ACCEPT, accept);
        }
        if let Some(path) = &request.built_path {
            builder = builder.header(BUILT_PATH_HEADER, path.as_str());
        }
        if let Some(body) = request.body.as_ref().filter(|_| *method != Method::GET) {
            builder = builder
                .header(header::CONTENT_LENGTH, body.len())
                .body(body.start(moved, &self.shared.liveness));
        }
        builder.send().await.map_err(|error| failed(&error))
    }

    /// The credential that goes to this URL.
    fn credential_for(&self, url: &Url) -> Option<&HeaderValue> {
        let is_own = is_own(&self.shared.base, url);
        self.shared.authorization.as_ref().filter(|_| is_own)
    }

    /// All of an answer that is not longer than `limit`.
    async fn read(&self, mut response: Response, limit: usize) -> Result<Bytes, RequestFailure> {
        let reading = async {
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
                if body.len() + chunk.len() > limit {
                    return Err(RequestFailure::Malformed(format!(
                        "it has more than {limit} bytes"
                    )));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        };
        // Answers are small: one that trickles is not waited for either.
        let read = timeout(self.shared.stall_timeout, reading).await;
        read.map_err(|_| RequestFailure::Cut("the answer did not end".to_owned()))?
    }

    async fn refusal(&self, response: Response, has_credential: bool) -> RequestFailure {
        let status = response.status();
        let wait = response.headers().get(header::RETRY_AFTER);
        let retry_after = wait.and_then(|value| value.to_str().ok()).and_then(retry_after);
        let text = self.read(response, MAX_REFUSAL_BYTES).await.unwrap_or_default();
        let text = said(&text);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                RequestFailure::Unauthorised(match has_credential {
                    false => WrongCredential::Missing(self.shared.no_credential.clone()),
                    true if text.contains("expired") => WrongCredential::Expired,
                    true => WrongCredential::Unknown,
                })
            }
            StatusCode::FORBIDDEN => RequestFailure::Forbidden(text),
            StatusCode::METHOD_NOT_ALLOWED => RequestFailure::WrongAddress(text),
            StatusCode::PAYLOAD_TOO_LARGE => RequestFailure::TooLarge(text),
            StatusCode::TOO_MANY_REQUESTS => RequestFailure::RateLimited { retry_after },
            status if status.is_server_error() => {
                RequestFailure::Server { status: status.as_u16(), text, retry_after }
            }
            status => RequestFailure::Refused { status: status.as_u16(), text },
        }
    }
}

/// Returns true if a redirect from a cache to this URL may carry the credential of the cache: it leads to the same server, or
/// from `http` to `https` on the same host, as curl does it for Nix. Another server, such as a bucket, must not get it.
#[must_use]
pub fn is_own(base: &Url, url: &Url) -> bool {
    let is_upgrade =
        base.scheme() == "http" && url.scheme() == "https" && base.host() == url.host();
    url.origin() == base.origin() || is_upgrade
}

/// Waits for an answer as long as something of the request moves.
async fn unless_stalled(
    answering: impl Future<Output = Result<Response, RequestFailure>>,
    moved: &AtomicU64,
    patience: Duration,
) -> Result<Response, RequestFailure> {
    let mut answering = std::pin::pin!(answering);
    loop {
        let before = moved.load(Ordering::Relaxed);
        match timeout(patience, &mut answering).await {
            Ok(answer) => return answer,
            Err(_) if moved.load(Ordering::Relaxed) != before => {}
            Err(_) => return Err(RequestFailure::Cut(format!("nothing moved for {patience:?}"))),
        }
    }
}

/// A server answers 202 that has not done it yet; stock clients take it for a failure, too.
fn is_success(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT)
}

fn redirect(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = response.headers().get(header::LOCATION)?.to_str().ok()?;
    from.join(to).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// The text of a refusal that is meant for people, in one line: the error in JSON, or the first line, unless it is a page of
/// HTML. Terminals, logs and the service manager would obey control characters.
pub(crate) fn said(text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let text = match serde_json::from_slice(text) {
        Ok(Refusal { error }) => error,
        Err(_) => String::from_utf8_lossy(text).into_owned(),
    };
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.starts_with('<') {
        return String::new();
    }
    line.replace(char::is_control, "\u{fffd}")
}

fn failed(error: &reqwest::Error) -> RequestFailure {
    // The outermost text only names the URL.
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(read) = cause.downcast_ref::<std::io::Error>()
            && error.is_body()
            && read.kind() != std::io::ErrorKind::BrokenPipe
        {
            return RequestFailure::Cut(read.to_string());
        }
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.dedup();
    let why = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
    if error.is_connect() { RequestFailure::Unreachable(why) } else { RequestFailure::Cut(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_nothing_obeys() {
        assert_eq!(said(b"too many roots\r\nmore\n"), "too many roots");
        assert_eq!(said(br#"{"error": "no such root"}"#), "no such root");
        assert_eq!(said(b"<html>\n<body>"), "");
        assert_eq!(said(br#"{"error": "\u001b[2Jgone\nMAINPID=1"}"#), "\u{fffd}[2Jgone");
        assert_eq!(said(b"\n\xc2\x9b2J \x07"), "\u{fffd}2J \u{fffd}");
    }
}
