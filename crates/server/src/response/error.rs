//! From failures of the store to answers. The reason is told to the operator, once; the client gets a
//! status and a short phrase.

use rns_nix_store::StoreError;

use crate::response::{self, Answer};

/// What a client is told when the store could not answer.
pub(crate) fn error_response(error: &StoreError) -> Answer {
    match error {
        // The database says so itself when its state changes.
        StoreError::Unavailable { .. } => {
            response::unavailable("the store cannot be read at the moment\n")
        }
        StoreError::Stopping => response::unavailable("stopping\n"),
        StoreError::BadRow { .. } => {
            tracing::error!("not served: {error}");
            response::not_found()
        }
        // Noted when it was found.
        StoreError::Damaged { .. } | StoreError::Collected { .. } => response::not_found(),
        // A log that is cut short or no bzip2 file: perhaps the build is still running, perhaps it never
        // ended. There is no log to show.
        StoreError::Io { doing: "unpack", .. } => {
            tracing::error!("not served: {error}");
            response::not_found()
        }
        StoreError::Io { .. } => {
            tracing::error!("{error}");
            response::unavailable("the store cannot be read at the moment\n")
        }
        _ => {
            tracing::error!("{error}");
            response::unavailable("not possible at the moment\n")
        }
    }
}
