//! Where uploads to a cache go, and which of them are admitted.

use std::sync::Arc;

use rns_cache::{PublishError, WritableCache};
use rns_formats::{NarInfo, PublicKey, Signature, StoreDir};

use crate::caches::{config::UploadConfig, signing::Signer};

/// Uploads to one cache.
pub(crate) struct Uploads {
    /// The target.
    pub(crate) target: Arc<dyn WritableCache>,
    /// Which of them are admitted.
    pub(crate) policy: UploadConfig,
}

impl Uploads {
    /// The narinfo as it is published: without signatures that claim to be of a key of the configuration (`known`) and
    /// are not, and signed. Signatures by other names stay, of any algorithm.
    ///
    /// # Errors
    /// `Unsigned` when a required signature is missing.
    pub(crate) fn admit(
        &self,
        mut narinfo: NarInfo,
        store_dir: &StoreDir,
        signer: &Signer,
        known: &[PublicKey],
    ) -> Result<NarInfo, PublishError> {
        let fingerprint = narinfo.fingerprint(store_dir);
        let is_signed = self.is_signed(&mut narinfo.signatures, &fingerprint, known);
        // The storage compares the content address with the contents.
        let is_content_addressed = narinfo.ca.is_some_and(|ca| {
            ca.is_address_of(store_dir, &narinfo.store_path, &narinfo.references)
        });
        if !self.policy.require_signature_by.is_empty() && !is_signed && !is_content_addressed {
            return Err(PublishError::Unsigned { object: narinfo.store_path.to_string() });
        }
        if self.policy.sign {
            signer.sign_uploaded(&mut narinfo, &fingerprint);
        }
        Ok(narinfo)
    }

    /// Drops forged signatures of an output of a derivation, as [`Self::admit`] does with those of paths. Returns true where a
    /// key that is required has signed it. That the path is signed says nothing: it may be named for any derivation.
    ///
    /// # Errors
    /// `Unsigned` when a required signature is missing.
    pub(crate) fn admit_output(
        &self,
        object: &dyn std::fmt::Display,
        signatures: &mut Vec<Signature>,
        fingerprint: &str,
        known: &[PublicKey],
    ) -> Result<bool, PublishError> {
        let is_signed = self.is_signed(signatures, fingerprint, known);
        if !self.policy.require_signature_by.is_empty() && !is_signed {
            return Err(PublishError::Unsigned { object: object.to_string() });
        }
        Ok(is_signed)
    }

    /// Drops forged signatures. Returns true where a key that is required has made one of the others.
    fn is_signed(
        &self,
        signatures: &mut Vec<Signature>,
        fingerprint: &str,
        known: &[PublicKey],
    ) -> bool {
        let required = &self.policy.require_signature_by;
        let known = || known.iter().chain(required);
        signatures.retain(|signature| !is_forged(signature, known(), fingerprint));
        let is_by = |key: &PublicKey| signatures.iter().any(|found| key.verify(fingerprint, found));
        required.iter().any(is_by)
    }
}

/// Whether a signature claims to be of one of these keys and is of none that has this name.
fn is_forged<'a>(
    signature: &Signature,
    keys: impl Iterator<Item = &'a PublicKey>,
    fingerprint: &str,
) -> bool {
    let mut is_claimed = false;
    for key in keys.filter(|key| *key.name() == signature.key) {
        if key.verify(fingerprint, signature) {
            return false;
        }
        is_claimed = true;
    }
    is_claimed
}
