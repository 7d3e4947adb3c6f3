//! The store paths that content-addressed derivations produced: `realisations/<id>.doi` and
//! `build-trace-v2/<derivation>/<output>.doi`.
//!
//! Both belong to the experimental feature `ca-derivations`. Nix 2.4 to 2.34 and Lix up to 2.93
//! know only the first, Nix since 2.35 only the second; neither reads the files of the other.

mod build_trace;
mod drv_output;
mod signed_json;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use build_trace::BuildTraceEntry;
pub use drv_output::{DrvOutputId, DrvOutputIdError};

use self::signed_json::{AnySignature, parse_signatures};
use crate::signature::{PublicKey, SecretKey, Signature, SignatureError};
use crate::store_path::{StorePath, StorePathError};

/// Why a text is not a realisation or build trace entry.
#[derive(Debug, Error)]
pub enum RealisationError {
    /// Not JSON, or a member is missing or of the wrong type.
    #[error("the JSON is not that of a realisation: {0}")]
    Json(#[from] serde_json::Error),
    /// The id, or that of a dependent realisation, is wrong.
    #[error(transparent)]
    Id(#[from] DrvOutputIdError),
    /// A path is not the base name of a store path.
    #[error("a path of the realisation is wrong: {0}")]
    StorePath(#[from] StorePathError),
    /// A signature is malformed.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// The realisation of a derivation's output, as Nix 2.4 to 2.34 exchange it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realisation {
    /// Which output of which derivation.
    pub id: DrvOutputId,
    /// The path that was produced.
    pub out_path: StorePath,
    /// Signatures of the [fingerprint](Realisation::fingerprint).
    pub signatures: Vec<Signature>,
    /// The realisations this one was built with. Later versions always leave it empty.
    pub dependent_realisations: BTreeMap<DrvOutputId, StorePath>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadRealisation {
    id: String,
    out_path: String,
    #[serde(default)]
    signatures: Vec<AnySignature>,
    #[serde(default)]
    dependent_realisations: BTreeMap<String, String>,
}

/// In the order of the names in JSON, because the JSON is signed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRealisation<'a> {
    dependent_realisations: BTreeMap<String, &'a str>,
    id: String,
    out_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<Vec<String>>,
}

impl Realisation {
    /// Reads the JSON of a `.doi` file.
    ///
    /// # Errors
    /// When the text is not JSON, or a member has the wrong type or value.
    pub fn parse(json: &str) -> Result<Self, RealisationError> {
        let read: ReadRealisation = serde_json::from_str(json)?;
        let dependency = |(id, path): (&String, &String)| {
            Ok::<_, RealisationError>((DrvOutputId::parse(id)?, StorePath::parse(path)?))
        };
        Ok(Self {
            id: DrvOutputId::parse(&read.id)?,
            out_path: StorePath::parse(&read.out_path)?,
            signatures: parse_signatures(&read.signatures)?,
            dependent_realisations: read
                .dependent_realisations
                .iter()
                .map(dependency)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The compact JSON of a `.doi` file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let signatures = self.signatures.iter().map(ToString::to_string).collect();
        signed_json::compact(&self.written(Some(signatures)))
    }

    /// The text its signatures sign: its compact JSON with sorted keys and without signatures.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        signed_json::compact(&self.written(None))
    }

    /// Adds the signature of `key`, unless it is there already.
    pub fn sign(&mut self, key: &SecretKey) {
        let signature = key.sign(self.fingerprint());
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
    }

    /// Whether one of the signatures is that of `key`.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let fingerprint = self.fingerprint();
        self.signatures.iter().any(|signature| key.verify(&fingerprint, signature))
    }

    fn written(&self, signatures: Option<Vec<String>>) -> WrittenRealisation<'_> {
        WrittenRealisation {
            dependent_realisations: self
                .dependent_realisations
                .iter()
                .map(|(id, path)| (id.to_string(), path.as_str()))
                .collect(),
            id: self.id.to_string(),
            out_path: self.out_path.as_str(),
            signatures,
        }
    }
}
