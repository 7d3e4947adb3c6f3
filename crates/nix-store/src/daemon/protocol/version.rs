//! Versions of the protocol.

use std::fmt;

use super::error::DaemonError;
use super::wire::WireError;

/// A version of the worker protocol, as both sides agreed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion {
    minor: u8,
}

impl ProtocolVersion {
    /// The newest that is offered, of Nix 2.24 and later.
    pub const NEWEST: Self = Self { minor: 38 };
    /// The oldest that is accepted, of Nix 2.0.
    pub const OLDEST: Self = Self { minor: 21 };

    /// The oldest that takes contents as frames, of Nix 2.4: nothing is uploaded to an older one.
    pub const OLDEST_FOR_UPLOADS: Self = Self { minor: 32 };

    /// The second half of the version; the first is always 1.
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// The version to go on with when the daemon announces `word`.
    pub(super) fn agree(word: u64) -> Result<Self, DaemonError> {
        let [minor, major, 0, 0, 0, 0, 0, 0] = word.to_le_bytes() else {
            return Err(WireError::Unexpected { what: "protocol version", value: word }.into());
        };
        if major != 1 || minor < Self::OLDEST.minor {
            return Err(DaemonError::Version { major, minor });
        }
        Ok(Self { minor: minor.min(Self::NEWEST.minor) })
    }

    pub(super) fn word(self) -> u64 {
        0x100 | u64::from(self.minor)
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}
