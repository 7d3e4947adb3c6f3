//! Faults of a storage.

use std::fmt;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFault {
    /// Which object: a store path, or a key.
    pub object: String,
    /// The fault.
    pub kind: FaultKind,
}

/// The kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A narinfo that nothing can be made of.
    UnusableNarInfo(String),
    /// The NAR of a path is not there.
    MissingNar,
    /// The NAR of a path has another length.
    Truncated {
        /// According to the narinfo, in bytes.
        expected: u64,
        /// In the storage.
        found: u64,
    },
    /// The NAR of a path contradicts its narinfo.
    Altered(String),
    /// A NAR that no path has, and that no push knows of.
    OrphanedNar,
    /// A path that this one refers to is not there.
    MissingReference(String),
    /// A path that the index does not have.
    NotIndexed,
    /// A path of the index that the storage does not have.
    OnlyIndexed,
    /// The object of a root that nothing can be made of.
    UnusableRoot(String),
    /// A revision of a root that the index does not have.
    RootNotIndexed,
    /// A revision of a root that only the index has.
    RootOnlyIndexed,
    /// A path that a root needs and that is not there.
    RootMissesPath(String),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnusableNarInfo(why) => write!(f, "its narinfo is not usable: {why}"),
            Self::MissingNar => f.write_str("its NAR is missing"),
            Self::Truncated { expected, found } => {
                write!(f, "its NAR file has {found} bytes instead of {expected}")
            }
            Self::Altered(why) => write!(f, "its NAR differs from the published one: {why}"),
            Self::MissingReference(path) => write!(f, "it refers to {path}, which is missing"),
            Self::OrphanedNar => f.write_str("no path has this NAR"),
            Self::NotIndexed => f.write_str("it is not in the index"),
            Self::OnlyIndexed | Self::RootOnlyIndexed => {
                f.write_str("it is in the index and not in the storage")
            }
            Self::UnusableRoot(why) => write!(f, "the root is not usable: {why}"),
            Self::RootNotIndexed => f.write_str("the root is not in the index"),
            Self::RootMissesPath(path) => write!(f, "the root needs {path}, which is missing"),
        }
    }
}
