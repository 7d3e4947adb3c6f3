//! From failures of a cache to answers. The reason is told to the operator, once; the client gets a status and a short
//! phrase.

use rns_cache::CacheError;

use super::answer::{self, Answer};

/// For clients, while backends cannot be asked.
const OUTAGE: &str = "the store cannot be read at the moment: the log of the server says why\n";

/// The answer when the cache could not answer. A new kind of failure has to be decided on here.
pub(crate) fn error_response(error: &CacheError) -> Answer {
    match error {
        // The backend says so itself when its state changes.
        CacheError::Unavailable { .. } => answer::unavailable(OUTAGE),
        CacheError::ShuttingDown => answer::unavailable("stopping\n"),
        CacheError::Invalid { .. } => {
            tracing::error!("not served: {error}");
            answer::not_found()
        }
        // Damage was told when it was found; a path that is gone is a miss like any other.
        CacheError::Damaged { .. } | CacheError::Gone { .. } => answer::not_found(),
        CacheError::Io { .. } => {
            tracing::error!("{error}");
            answer::unavailable(OUTAGE)
        }
    }
}
