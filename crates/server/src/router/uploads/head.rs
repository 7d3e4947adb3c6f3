//! The head of an upload decides: whether it can be uploaded here, and whether it is too large.

use actix_http::RequestHead;
use actix_web::http::{
    Method, Version,
    header::{self, HeaderMap},
};
use rns_cache::{PublishError, WritableCache};
use rns_formats::{
    MAX_CACHE_INFO_BYTES, MAX_DOCUMENT_BYTES, MAX_LISTING_BYTES, MAX_LOG_BYTES, MAX_NARINFO_BYTES,
    RootNameError, url::Resource,
};

use crate::connection::request_parts::RequestParts;

/// The longest question for missing paths, in bytes: some 60,000 hash parts.
const MAX_QUESTION_BYTES: u64 = 2 << 20;

/// The longest narinfo that is taken, in bytes: some 20,000 references. The rest is for lines that are added here and later,
/// such as signatures.
const MAX_SENT_NARINFO_BYTES: u64 = MAX_NARINFO_BYTES as u64 - (128 << 10);

/// The largest list of paths that a root names, in bytes.
const MAX_ROOT_REQUEST_BYTES: u64 = 1 << 20;

/// Why an upload is refused by its head alone.
#[derive(Debug)]
pub(super) enum BadHead {
    /// Nothing can be uploaded, or deleted, under this name.
    NoSuchUpload,
    /// It is a root with a name that no root can have.
    BadRootName(RootNameError),
    /// It does not say how long the body is.
    NoLength,
    /// It is too large.
    TooLarge(PublishError),
}

/// The length of the body as the client announces it, in bytes.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The largest size of an object, in bytes; `None` if it cannot be uploaded.
pub(super) fn limit(target: &dyn WritableCache, resource: &Resource) -> Option<u64> {
    match resource {
        Resource::CacheInfo => Some(MAX_CACHE_INFO_BYTES as u64),
        Resource::NarInfo { .. } => Some(MAX_SENT_NARINFO_BYTES),
        Resource::Nar(_) => Some(target.max_nar_size()),
        Resource::Listing(_) => Some(MAX_LISTING_BYTES),
        Resource::Log(_) => Some(MAX_LOG_BYTES),
        Resource::Realisation(_) | Resource::BuildTrace { .. } | Resource::DebugInfo(_) => {
            Some(MAX_DOCUMENT_BYTES)
        }
        Resource::MissingPaths => Some(MAX_QUESTION_BYTES),
        Resource::GcRoot(_) => Some(MAX_ROOT_REQUEST_BYTES),
        Resource::Root
        | Resource::GcRoots
        | Resource::NoGcRoot(_)
        | Resource::Serve { .. }
        | Resource::PublicKeys
        | Resource::CacheConfig
        | Resource::SamplePath
        | Resource::Version
        | Resource::Healthz
        | Resource::Readyz
        | Resource::Metrics => None,
    }
}

/// Looks at the head of a request to upload or to delete something.
pub(super) fn check(
    request: &impl RequestParts,
    target: &dyn WritableCache,
    resource: Option<&Resource>,
) -> Result<(), BadHead> {
    let head = request.head();
    let resource = resource.ok_or(BadHead::NoSuchUpload)?;
    if let Resource::NoGcRoot(error) = resource {
        return Err(BadHead::BadRootName(*error));
    }
    if head.method == Method::DELETE {
        let is_path = matches!(resource, Resource::NarInfo { .. } | Resource::GcRoot(_));
        return if is_path { Ok(()) } else { Err(BadHead::NoSuchUpload) };
    }
    // A question is the one body that is not stored.
    if (head.method == Method::POST) != matches!(resource, Resource::MissingPaths) {
        return Err(BadHead::NoSuchUpload);
    }
    let limit = limit(target, resource).ok_or(BadHead::NoSuchUpload)?;
    match length(&head.headers) {
        Some(length) if length > limit => {
            Err(BadHead::TooLarge(PublishError::TooLarge { object: "the body".to_owned(), limit }))
        }
        Some(_) => Ok(()),
        None if is_framed(head) => Ok(()),
        None => Err(BadHead::NoLength),
    }
}

/// Whether the protocol says where the body ends though its length is not announced.
fn is_framed(head: &RequestHead) -> bool {
    head.version == Version::HTTP_2 || head.headers.contains_key(header::TRANSFER_ENCODING)
}
