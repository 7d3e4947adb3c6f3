//! Where the contents of a path come from, as the derivatives of Nix that record it write it down.

use std::fmt;
use std::sync::Arc;

use serde::de::IgnoredAny;
use thiserror::Error;

/// Bytes of the longest provenance that is passed on.
const MAX_PROVENANCE_LEN: usize = 64 << 10;

/// Why a text is not a provenance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProvenanceError {
    /// Clients that know the field call a narinfo corrupt when this is not JSON.
    #[error("the provenance is not JSON")]
    NotJson,
    /// A narinfo has no way to escape line feeds.
    #[error("the provenance is not on one line")]
    LineBreak,
    /// More than is passed on.
    #[error("the provenance has {length} bytes, of at most {MAX_PROVENANCE_LEN}")]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
}

/// JSON on one line, passed on as it is. No signature covers it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Provenance(Arc<str>);

impl Provenance {
    /// Reads the text of a database's column or of a narinfo's field.
    ///
    /// # Errors
    /// When a narinfo could not carry it, or a client would refuse it.
    pub fn parse(text: &str) -> Result<Self, ProvenanceError> {
        if text.len() > MAX_PROVENANCE_LEN {
            Err(ProvenanceError::TooLong { length: text.len() })
        } else if text.contains(['\n', '\r']) {
            Err(ProvenanceError::LineBreak)
        } else if serde_json::from_str::<IgnoredAny>(text).is_err() {
            Err(ProvenanceError::NotJson)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provenance({})", self.0)
    }
}
