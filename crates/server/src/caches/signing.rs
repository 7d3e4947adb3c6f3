//! Signing of narinfos and realisations.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rns_formats::{
    BuildTraceEntry, NarInfo, PathInfo, PublicKey, Realisation, SecretKey, Signature, StoreDir,
};

use crate::config::{SigningConfig, SigningPolicy};

/// Counts the sets of keys that have been in use, so that a narinfo rendered with one is not taken for
/// the work of the next.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// The keys in use and their policy.
#[derive(Debug)]
pub struct Signer {
    keys: Vec<SecretKey>,
    policy: SigningPolicy,
    /// Keys that are configured and cannot be used, each with its reason and remedy.
    problems: Vec<String>,
    epoch: u64,
}

impl Signer {
    /// Loads the keys. One that cannot be loaded is a problem of the signer, not an error: the server
    /// is up, names the problem, and signs as soon as the key is there.
    #[must_use]
    pub fn load(config: &SigningConfig) -> Self {
        let mut keys = Vec::new();
        let mut problems = Vec::new();
        for path in &config.keys {
            match crate::caches::keys::load_key(path) {
                Ok(key) => keys.push(key),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Self {
            keys,
            policy: config.policy.clone(),
            problems,
            epoch: EPOCH.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Problems of configured keys; empty when there is none.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The number of this set of keys; later sets have higher ones.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The public keys of those that sign.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        match self.policy {
            SigningPolicy::Keep => Vec::new(),
            _ => self.keys.iter().map(SecretKey::public_key).collect(),
        }
    }

    /// The public keys that the configuration names, whether or not they sign: signatures by their names must be right.
    pub(crate) fn known_keys(&self) -> impl Iterator<Item = PublicKey> {
        let trusted = match &self.policy {
            SigningPolicy::SignedBy(trusted) => trusted.as_slice(),
            _ => &[],
        };
        self.keys.iter().map(SecretKey::public_key).chain(trusted.iter().cloned())
    }

    /// The meaning of the policy, for the log at start.
    #[must_use]
    pub fn vouches_for(&self) -> &'static str {
        match (&self.policy, self.keys.is_empty()) {
            (SigningPolicy::Keep, _) | (_, true) => {
                "nothing is signed here; signatures stored with the paths are passed on"
            }
            (SigningPolicy::Add, _) => {
                "every path that is served is signed, wherever it was built; stored signatures are passed on"
            }
            (SigningPolicy::Replace, _) => {
                "every path that is served is signed, wherever it was built; stored signatures are dropped"
            }
            (SigningPolicy::Ultimate, _) => {
                "paths built on this machine are signed; stored signatures are passed on"
            }
            (SigningPolicy::SignedBy(_), _) => {
                "paths that carry a signature of a named key are signed; stored signatures are passed on"
            }
        }
    }

    /// The signatures that go into the narinfo of a path, each once. Stored ones are passed on as they are,
    /// of any algorithm; only those by names of keys in use here must be right.
    #[must_use]
    pub fn signatures(&self, info: &PathInfo, store_dir: &StoreDir) -> Vec<Signature> {
        let mut signatures = match self.policy {
            SigningPolicy::Replace if !self.keys.is_empty() => Vec::new(),
            _ => info.signatures.clone(),
        };
        if self.keys.is_empty() {
            return signatures;
        }
        let fingerprint = info.fingerprint(store_dir);
        signatures.retain(|stored| {
            // A client stops at a wrong signature by a name that it trusts, which it does these.
            let own = self.keys.iter().find(|key| *key.name() == stored.key);
            own.is_none_or(|key| key.public_key().verify(&fingerprint, stored))
        });
        if self.signs(info, &fingerprint) {
            for key in &self.keys {
                let signature = key.sign(&fingerprint);
                // An older signature by the same key is of another state of the path, or the same one.
                signatures.retain(|stored| stored.key != signature.key);
                signatures.push(signature);
            }
        }
        signatures
    }

    /// Signs a path that was uploaded and found right, where the policy says so. `fingerprint` is that of the path.
    pub(crate) fn sign_uploaded(&self, narinfo: &mut NarInfo, fingerprint: &str) {
        let is_signed_by = |trusted: &[PublicKey]| {
            let mut signatures = narinfo.signatures.iter();
            signatures.any(|found| trusted.iter().any(|key| key.verify(fingerprint, found)))
        };
        let signs = match &self.policy {
            SigningPolicy::Add | SigningPolicy::Replace => true,
            // A pushed path was built elsewhere.
            SigningPolicy::Keep | SigningPolicy::Ultimate => false,
            SigningPolicy::SignedBy(trusted) => is_signed_by(trusted),
        };
        if !signs {
            return;
        }
        for key in &self.keys {
            let signature = key.sign(fingerprint);
            if !narinfo.signatures.contains(&signature) {
                narinfo.signatures.push(signature);
            }
        }
    }

    /// Signs the path that an output was built to, where the policy is to sign everything: the store does not
    /// say where a realisation comes from. Clients believe only signed ones.
    pub(crate) fn sign_realisation(&self, realisation: &mut impl Signable) {
        if !matches!(self.policy, SigningPolicy::Add | SigningPolicy::Replace) {
            return;
        }
        if self.policy == SigningPolicy::Replace && !self.keys.is_empty() {
            realisation.forget_signatures();
        }
        for key in &self.keys {
            realisation.sign(key);
        }
    }

    fn signs(&self, info: &PathInfo, fingerprint: &str) -> bool {
        match &self.policy {
            SigningPolicy::Add | SigningPolicy::Replace => true,
            SigningPolicy::Keep => false,
            SigningPolicy::Ultimate => info.ultimate,
            SigningPolicy::SignedBy(trusted) => info
                .signatures
                .iter()
                .any(|signature| trusted.iter().any(|key| key.verify(fingerprint, signature))),
        }
    }
}

/// Statements that keys can sign, in both generations of the protocol.
pub(crate) trait Signable {
    fn sign(&mut self, key: &SecretKey);
    fn forget_signatures(&mut self);
}

impl Signable for Realisation {
    fn sign(&mut self, key: &SecretKey) {
        Self::sign(self, key);
    }

    fn forget_signatures(&mut self) {
        self.signatures.clear();
    }
}

impl Signable for BuildTraceEntry {
    fn sign(&mut self, key: &SecretKey) {
        Self::sign(self, key);
    }

    fn forget_signatures(&mut self) {
        self.signatures.clear();
    }
}

/// A signer that is shared and may be exchanged while requests run.
pub(crate) type SharedSigner = arc_swap::ArcSwap<Signer>;

pub(crate) fn share(signer: Signer) -> SharedSigner {
    SharedSigner::new(Arc::new(signer))
}
