//! How long others may keep an answer.

use actix_web::http::header::HeaderValue;

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// The content of the URL can never change: the URL contains its hash. It is to be resumed as well.
    Immutable,
    /// As [`Self::Hour`], for content without a hash in its URL that is to be resumed: no proxy on the way may change its
    /// bytes.
    HourAsIs,
    /// May change when a path is signed anew or built again.
    Hour,
    /// Not at all: a missing path may be there in a second.
    Never,
}

impl Caching {
    pub(super) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Immutable => "public, max-age=31536000, immutable, no-transform",
            Self::HourAsIs => "public, max-age=3600, no-transform",
            Self::Hour => "public, max-age=3600",
            Self::Never => "no-store",
        })
    }
}
