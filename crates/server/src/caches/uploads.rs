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
        let known = || known.iter().chain(&self.policy.require_signature_by);
        narinfo.signatures.retain(|signature| !is_forged(signature, known(), &fingerprint));
        let is_signed = self.policy.require_signature_by.iter().any(|key| {
            narinfo.signatures.iter().any(|signature| key.verify(&fingerprint, signature))
        });
        // The storage compares the content address with the contents.
        let is_content_addressed = narinfo.ca.is_some_and(|ca| {
            ca.is_address_of(store_dir, &narinfo.store_path, &narinfo.references)
        });
        if !self.policy.require_signature_by.is_empty() && !is_signed && !is_content_addressed {
            return Err(PublishError::Unsigned { path: narinfo.store_path });
        }
        if self.policy.sign {
            signer.sign_uploaded(&mut narinfo, &fingerprint);
        }
        Ok(narinfo)
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
