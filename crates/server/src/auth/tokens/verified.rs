//! Headers `Authorization` whose token was found good.

use std::fmt;

use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};

/// Most headers that are remembered. Each takes 40 bytes.
const MAX_VERIFIED_HEADERS: usize = 4096;

/// The tokens that headers were found to contain, by the SHA-256 of the header.
///
/// It belongs to the tokens of one file as it was read once. When the file or the configuration changes, it goes with them:
/// it can keep no token that was revoked. Headers with a wrong token are not remembered, and push nothing out.
pub(super) struct VerifiedHeaders(Cache<[u8; 32], usize>);

impl Default for VerifiedHeaders {
    fn default() -> Self {
        Self(Cache::new(MAX_VERIFIED_HEADERS))
    }
}

impl fmt::Debug for VerifiedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({} headers)", self.0.len())
    }
}

impl VerifiedHeaders {
    /// Notes which token a header contains.
    pub(super) fn remember(&self, header: &[u8], index: usize) {
        if let Some(key) = key(header)
            && self.0.get(&key).is_none()
        {
            self.0.insert(key, index);
        }
    }

    /// The token that a header was found to contain.
    pub(super) fn index(&self, header: &[u8]) -> Option<usize> {
        self.0.get(&key(header)?)
    }
}

fn key(header: &[u8]) -> Option<[u8; 32]> {
    digest(&SHA256, header).as_ref().try_into().ok()
}
