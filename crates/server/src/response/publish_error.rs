//! From refused uploads to answers.

use actix_web::http::StatusCode;
use rns_cache::{CacheError, PublishError};

use crate::{
    metrics::RefusedUpload,
    response::{self, Answer, error_response},
};

/// Why an upload was refused, for the metrics.
pub(crate) const fn reason(error: &PublishError) -> RefusedUpload {
    match error {
        PublishError::Malformed { .. } | PublishError::Stalled => RefusedUpload::Malformed,
        PublishError::Mismatch { .. } => RefusedUpload::Mismatch,
        PublishError::TooLarge { .. } => RefusedUpload::Length,
        PublishError::MissingNar { .. } => RefusedUpload::MissingNar,
        PublishError::MissingReferences(_) => RefusedUpload::MissingReferences,
        PublishError::Unsigned { .. } | PublishError::Untrusted { .. } => RefusedUpload::Unsigned,
        PublishError::Unsupported { .. } => RefusedUpload::Unsupported,
        PublishError::NotAllowed { .. } => RefusedUpload::NotAllowed,
        PublishError::Conflict { .. } | PublishError::Needed(_) => RefusedUpload::Conflict,
        PublishError::Full => RefusedUpload::Full,
        PublishError::Displaced => RefusedUpload::Busy,
        PublishError::Cache(_) => RefusedUpload::Unavailable,
    }
}

/// The answer to an upload. The texts name nothing of this machine.
pub(crate) fn refuse_upload(error: &PublishError) -> Answer {
    let status = match error {
        PublishError::Malformed { .. } | PublishError::Mismatch { .. } => StatusCode::BAD_REQUEST,
        // A client tries again after this, and gives up after a 400.
        PublishError::Stalled => StatusCode::REQUEST_TIMEOUT,
        PublishError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PublishError::MissingNar { .. }
        | PublishError::MissingReferences(_)
        | PublishError::Conflict { .. }
        | PublishError::Needed(_) => StatusCode::CONFLICT,
        PublishError::Unsigned { .. }
        | PublishError::Untrusted { .. }
        | PublishError::NotAllowed { .. } => StatusCode::FORBIDDEN,
        PublishError::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
        PublishError::Full => StatusCode::INSUFFICIENT_STORAGE,
        PublishError::Displaced => return response::unavailable(format!("{error}\n")),
        PublishError::Cache(CacheError::Unavailable { .. } | CacheError::Io { .. }) => {
            let text = "nothing can be uploaded at the moment: the log of the server says why\n";
            return response::unavailable(text);
        }
        PublishError::Cache(error) => return error_response(error),
    };
    response::plain(status, response::shortened(error.to_string()))
}
