//! A document about a path.

use std::{fmt, sync::Arc};

use rns_formats::{BuildTraceEntry, Realisation, StorePath};

/// A document about a path.
#[derive(Clone, Debug)]
pub(crate) enum PushedDocument {
    /// The files of its NAR.
    Listing,
    /// The log of this derivation's build.
    Log(StorePath),
    /// The output of a content-addressed derivation that it is, as Nix 2.4 to 2.34 exchange it.
    Realisation(Arc<Realisation>),
    /// The same as Nix since 2.35 exchanges it.
    BuildTrace(Arc<BuildTraceEntry>),
}

impl fmt::Display for PushedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listing => f.write_str("listing"),
            Self::Log(_) => f.write_str("log"),
            Self::Realisation(realisation) => write!(f, "realisation {}", realisation.id),
            Self::BuildTrace(entry) => {
                write!(f, "build trace of {}^{}", entry.drv_path, entry.output_name)
            }
        }
    }
}
