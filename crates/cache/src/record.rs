//! The record that a cache has of a store path.

use std::sync::Arc;

use rns_formats::{Compression, Hash, PathInfo, Sha256Digest};

/// The record of a store path.
#[derive(Clone, Debug)]
pub struct PathRecord {
    /// The path itself, with the signatures that are stored. `nar_size` is never 0.
    pub info: Arc<PathInfo>,
    /// How its NAR is offered.
    pub offer: NarOffer,
    /// Of which state this is.
    pub freshness: Freshness,
}

/// How the NAR of a path is offered in its narinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarOffer {
    /// The URL, relative to that of the cache. For a stored cache it is the one that lies there:
    /// `nar/<file hash>.nar.xz`.
    pub url: String,
    /// How the file at `url` is compressed.
    pub compression: Compression,
    /// Hash and length of the file at `url`, where they are known.
    pub file: Option<(Hash, u64)>,
    /// Whether nothing more will be known of the file. The freshness changes when more is known.
    pub complete: bool,
}

/// Of which state of a cache an answer is: equal values mean equal records. Only ever compared.
///
/// A value that was given once never comes back for another record of the same path in the same process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Freshness {
    record: u128,
    policy: u64,
    offer: u64,
    layer: u64,
}

impl Freshness {
    /// Of a record with this number: of a counter, or a digest of everything that it says.
    #[must_use]
    pub const fn of_record(record: u128) -> Self {
        Self { record, policy: 0, offer: 0, layer: 0 }
    }

    /// The same, as shown by a policy in its state of this number.
    #[must_use]
    pub const fn under_policy(self, policy: u64) -> Self {
        Self { policy, ..self }
    }

    /// The same with an offer of this number.
    #[must_use]
    pub const fn with_offer(self, offer: u64) -> Self {
        Self { offer, ..self }
    }

    /// The same from the layer of this number of several.
    #[must_use]
    pub const fn in_layer(self, layer: u64) -> Self {
        // Layers within layers are told apart as well.
        Self { layer: self.layer.wrapping_mul(64).wrapping_add(layer + 1), ..self }
    }
}

/// The answer that a cache has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// It is there, and its record is that of this state, or was within the last second.
    Hit {
        /// Of which state the record is.
        freshness: Freshness,
        /// SHA-256 of its NAR.
        nar_hash: Sha256Digest,
    },
    /// It is certainly not there: known by a lookup that began after the question was asked.
    Miss,
    /// That cannot be said without waiting; [`BinaryCache::path_info`](crate::BinaryCache::path_info) says it.
    Unknown,
}
