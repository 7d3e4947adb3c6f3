//! Build trace entries, as Nix exchanges them since 2.35.

use serde::{Deserialize, Serialize};

use super::RealisationError;
use super::signed_json::{self, AnySignature, StructuredSignature, parse_signatures};
use crate::signature::{PublicKey, SecretKey, Signature};
use crate::store_path::{StorePath, StorePathName};

/// The store path that an output of a resolved derivation was built to.
///
/// The file holds only the value; derivation and output are its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildTraceEntry {
    /// The resolved derivation.
    pub drv_path: StorePath,
    /// The name of the output: `out`, `dev`…
    pub output_name: StorePathName,
    /// The path that was produced.
    pub out_path: StorePath,
    /// Signatures of the [fingerprint](BuildTraceEntry::fingerprint).
    pub signatures: Vec<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadValue {
    out_path: String,
    #[serde(default)]
    signatures: Vec<AnySignature>,
}

/// As everything that is written here: in the order of the names in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenValue<'a> {
    out_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<Vec<StructuredSignature>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenKey<'a> {
    drv_path: &'a str,
    output_name: &'a str,
}

#[derive(Serialize)]
struct WrittenEntry<'a> {
    key: WrittenKey<'a>,
    value: WrittenValue<'a>,
}

impl BuildTraceEntry {
    /// Reads the JSON of `build-trace-v2/<drv_path>/<output_name>.doi`.
    ///
    /// Signatures may be objects, as Nix writes them, or `<key name>:<base64>`, as it also
    /// reads them.
    ///
    /// # Errors
    /// When the text is not JSON, or a member has the wrong type or value.
    pub fn parse(
        drv_path: StorePath,
        output_name: StorePathName,
        json: &str,
    ) -> Result<Self, RealisationError> {
        let read: ReadValue = serde_json::from_str(json)?;
        Ok(Self {
            drv_path,
            output_name,
            out_path: StorePath::parse(&read.out_path)?,
            signatures: parse_signatures(&read.signatures)?,
        })
    }

    /// The compact JSON of a `.doi` file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let signatures = self.signatures.iter().map(StructuredSignature::from).collect();
        signed_json::compact(&WrittenValue {
            out_path: self.out_path.as_str(),
            signatures: Some(signatures),
        })
    }

    /// The text its signatures sign: compact JSON of key and value, sorted, without signatures.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        signed_json::compact(&WrittenEntry {
            key: WrittenKey {
                drv_path: self.drv_path.as_str(),
                output_name: self.output_name.as_str(),
            },
            value: WrittenValue { out_path: self.out_path.as_str(), signatures: None },
        })
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
}
