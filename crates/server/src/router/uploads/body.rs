//! The body of an upload: whole in memory where it is small, otherwise as it comes.

use std::{
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::Payload,
};
use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use rns_cache::{PublishError, WritableCache};
use rns_formats::{Compression, StorePath, url::BUILT_PATH_HEADER};
use tokio::time::timeout;

use super::{head, pace::Pace, places::UploadPlace};
use crate::metrics::UploadInFlight;

/// The body of an upload.
pub(super) struct IncomingBody<'a> {
    headers: &'a HeaderMap,
    payload: Payload,
    context: IncomingContext<'a>,
    pace: Pace,
    has_begun: bool,
}

/// The longest time until the first bytes, once the body is waited for. Nix up to 2.32 sends the head of an upload again after
/// its connection broke, and then nothing: its user would wait for the whole stall timeout.
const MAX_FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(60);

/// The part of the stall timeout that the first bytes may take.
const FIRST_BYTES_PART: u32 = 8;

/// How a body is taken.
pub(super) struct IncomingContext<'a> {
    /// Where it is counted.
    pub(super) in_flight: UploadInFlight,
    /// The most that is taken, in bytes.
    pub(super) limit: u64,
    /// How long a client may send nothing.
    pub(super) stall_timeout: Duration,
    /// The place that it takes.
    pub(super) place: Option<&'a UploadPlace>,
}

impl<'a> IncomingBody<'a> {
    pub(super) fn new(
        request: &'a HttpRequest,
        payload: Payload,
        context: IncomingContext<'a>,
    ) -> Self {
        let pace = Pace::new(context.stall_timeout);
        Self { headers: request.headers(), payload, context, pace, has_begun: false }
    }

    /// The length of the body as the client announces it, in bytes.
    pub(super) fn length(&self) -> Option<u64> {
        head::length(self.headers)
    }

    /// The path that the build of a log made, where the client says so.
    ///
    /// # Errors
    /// `Malformed` when it is no store path.
    pub(super) fn built_path(&self) -> Result<Option<StorePath>, PublishError> {
        let Some(value) = self.headers.get(BUILT_PATH_HEADER) else { return Ok(None) };
        let path = value.to_str().ok().and_then(|name| StorePath::parse(name.trim()).ok());
        path.map(Some).ok_or_else(|| PublishError::Malformed {
            object: BUILT_PATH_HEADER.to_owned(),
            why: "it is the base name of no store path".to_owned(),
        })
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `Malformed` when the body ends early, `Stalled` when nothing comes for too long, `Displaced` when next to nothing comes while others wait
    /// for the place.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, PublishError> {
        let patience = if self.has_begun {
            self.context.stall_timeout
        } else {
            MAX_FIRST_BYTES_TIMEOUT.min(self.context.stall_timeout / FIRST_BYTES_PART)
        };
        let mut stalled = Duration::ZERO;
        loop {
            if !self.pace.is_enough() && self.context.place.is_some_and(UploadPlace::is_wanted) {
                return Err(PublishError::Displaced);
            }
            let left = patience.saturating_sub(stalled).min(self.pace.left());
            let asked = Instant::now();
            let next = poll_fn(|cx| Pin::new(&mut self.payload).poll_next(cx));
            let next = timeout(left, next).await;
            let time = asked.elapsed();
            match next {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(chunk))) => {
                    self.has_begun = true;
                    self.context.in_flight.received(chunk.len());
                    self.pace.waited(time, chunk.len());
                    return Ok(Some(chunk));
                }
                Ok(Some(Err(_))) => return Err(malformed("it ends early")),
                Err(_) => {
                    stalled += time;
                    self.pace.waited(time, 0);
                }
            }
            if stalled >= patience {
                return Err(PublishError::Stalled);
            }
        }
    }

    /// All of a small body, decompressed where the client has compressed it.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit, packed or not; `Malformed` when it ends early or its encoding is unknown.
    pub(super) async fn small(mut self, target: &dyn WritableCache) -> Result<Bytes, PublishError> {
        let limit = self.context.limit;
        let too_large = || PublishError::TooLarge { object: "the body".to_owned(), limit };
        let compression = self.encoding()?;
        let announced = self.length();
        let mut body = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        if announced.is_some_and(|length| length != body.len() as u64) {
            return Err(malformed("it ends early"));
        }
        let Some(compression) = compression else { return Ok(body.freeze()) };
        target.decompress(compression, body.freeze(), limit).await
    }

    /// How the client has compressed the body for its way (`narinfo-compression` and its like).
    ///
    /// # Errors
    /// `Malformed` when that is not known here.
    pub(super) fn encoding(&self) -> Result<Option<Compression>, PublishError> {
        let Some(value) = self.headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
        let unknown = || malformed("its Content-Encoding is not known");
        match value.to_str().map_err(|_| unknown())?.trim() {
            "" | "identity" | "none" => Ok(None),
            name => Compression::parse(name).map(Some).map_err(|_| unknown()),
        }
    }
}

fn malformed(why: &str) -> PublishError {
    PublishError::Malformed { object: "the body".to_owned(), why: why.to_owned() }
}
