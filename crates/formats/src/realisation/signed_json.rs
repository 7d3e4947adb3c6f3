//! The members that the JSON of both generations has in common.

use serde::{Deserialize, Serialize};

use crate::signature::{Signature, SignatureError};

/// A signature in either of its JSON forms.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum AnySignature {
    Text(String),
    Structured(StructuredSignature),
}

/// A signature as Nix writes it into JSON since 2.35.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StructuredSignature {
    key_name: String,
    sig: String,
}

impl From<&Signature> for StructuredSignature {
    fn from(signature: &Signature) -> Self {
        Self { key_name: signature.key.as_str().to_owned(), sig: signature.to_base64() }
    }
}

pub(super) fn parse_signatures(read: &[AnySignature]) -> Result<Vec<Signature>, SignatureError> {
    let parse = |signature: &AnySignature| match signature {
        AnySignature::Text(text) => Signature::parse(text),
        AnySignature::Structured(StructuredSignature { key_name, sig }) => {
            Signature::from_parts(key_name, sig)
        }
    };
    read.iter().map(parse).collect()
}

/// JSON without white space, with members in the order of the struct.
#[expect(
    clippy::expect_used,
    reason = "only maps with keys other than strings and Serialize impls of our own could fail"
)]
pub(super) fn compact(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of strings have a JSON form")
}
