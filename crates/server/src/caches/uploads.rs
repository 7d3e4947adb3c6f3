//! Where uploads to a cache go, and which of them are admitted.

use std::sync::Arc;

use rns_cache::{PublishError, WritableCache};
use rns_formats::{NarInfo, PublicKey, Signature, StoreDir};

use crate::caches::{registry::Cache, signing::Signer};

/// Uploads to one cache.
pub(crate) struct Uploads {
    /// What takes them.
    pub(crate) target: Arc<dyn WritableCache>,
    /// The cache as pushers see it.
    pub(crate) view: Arc<Cache>,
    /// Whether the reading address takes uploads as well.
    pub(crate) is_whole: bool,
    /// Which of them are admitted.
    pub(crate) policy: UploadConfig,
}

/// Which uploads are admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadConfig {
    /// Keys of which one must have signed a path that is not content-addressed. Empty: none is required.
    pub require_signature_by: Vec<PublicKey>,
    /// Whether the keys of the cache sign what was verified.
    pub sign: bool,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self { require_signature_by: Vec::new(), sign: true }
    }
}

impl UploadConfig {
    /// The narinfo as it is published: without forged signatures, and signed.
    ///
    /// # Errors
    /// `Unsigned` when a required signature is missing.
    pub(crate) fn admit(
        &self,
        mut narinfo: NarInfo,
        store_dir: &StoreDir,
        signer: &Signer,
    ) -> Result<NarInfo, PublishError> {
        let fingerprint = narinfo.fingerprint(store_dir);
        let own = signer.public_keys();
        narinfo.signatures.retain(|signature| !is_forged(signature, &own, &fingerprint));
        let is_signed = self.require_signature_by.iter().any(|key| {
            narinfo.signatures.iter().any(|signature| key.verify(&fingerprint, signature))
        });
        // The storage compares the content address with the contents.
        let is_content_addressed = narinfo.ca.is_some_and(|ca| {
            ca.is_address_of(store_dir, &narinfo.store_path, &narinfo.references)
        });
        if !self.require_signature_by.is_empty() && !is_signed && !is_content_addressed {
            return Err(PublishError::Unsigned { path: narinfo.store_path });
        }
        if self.sign {
            signer.sign_uploaded(&mut narinfo, &fingerprint);
        }
        Ok(narinfo)
    }
}

/// Whether a signature claims to be of one of our own keys and is not.
fn is_forged(signature: &Signature, own: &[PublicKey], fingerprint: &str) -> bool {
    own.iter().any(|key| *key.name() == signature.key && !key.verify(fingerprint, signature))
}
