//! Paths that are somewhere else, where clients can always get them.

use async_trait::async_trait;
use rns_cache::PathRecord;
use rns_formats::HashPart;

/// Paths that clients can always get from somewhere else, so that they need not be stored here.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// The record of the path there, with the absolute URL of its NAR.
    async fn record(&self, hash: &HashPart) -> Presence;

    /// Whether no such place is named, so that no path can be there.
    fn is_nowhere(&self) -> bool {
        false
    }
}

/// Whether a path is elsewhere.
#[derive(Clone, Debug)]
pub enum Presence {
    /// It is.
    Here(Box<PathRecord>),
    /// It is not: every place was asked.
    Missing,
    /// A place could not be asked.
    Unknown,
}

/// There is nothing elsewhere.
#[derive(Debug)]
pub struct Nowhere;

#[async_trait]
impl Elsewhere for Nowhere {
    async fn record(&self, _: &HashPart) -> Presence {
        Presence::Missing
    }

    fn is_nowhere(&self) -> bool {
        true
    }
}
