//! How long others may keep an answer.

use actix_web::http::header::HeaderValue;

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// What the URL names can never be anything else: it contains a hash of the content. It is to be resumed as well.
    Immutable,
    /// As [`Self::Hour`], for what a name stands for that says nothing of the content, and that is to be resumed: nobody on
    /// the way may make other bytes of it.
    HourAsIs,
    /// May change when a path is signed anew or built again.
    Hour,
    /// Not at all: what is missing now may be there in a second.
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
