//! The client that is looked at.

use std::{path::PathBuf, sync::Arc};

use rns_client::{CaFile, CacheClient, ClientConfig, Credentials, RetryPolicy, plain_url};
use rns_formats::{PublicKey, StoreDir};
use url::Url;

use super::NixConf;

/// This machine as a client.
#[derive(Debug)]
pub struct MachineSubject {
    /// The caches that are looked for in Nix's own cache on this machine.
    pub caches: Vec<DoctorTarget>,
    /// The netrc file that is used, and true if the user named it.
    pub netrc: (PathBuf, bool),
    /// The files in which Nix may remember answers of caches.
    pub disk_caches: Vec<PathBuf>,
    /// The keys that the user states. Where there are none, those of `nix_conf` are trusted.
    pub keys: Vec<PublicKey>,
    /// The store directory.
    pub store_dir: StoreDir,
    /// The configuration of Nix.
    pub nix_conf: Arc<NixConf>,
    /// The name of the user, for `trusted-users`.
    pub user: String,
}

/// A cache, and the credential for it.
#[derive(Clone, Debug)]
pub struct DoctorTarget {
    /// The address.
    pub url: Url,
    /// The credential that does not come from the netrc file, or the one from there.
    pub credentials: Credentials,
    /// True if the credential was found elsewhere, so that the netrc file does not matter.
    pub needs_no_netrc: bool,
}

impl MachineSubject {
    /// The keys that paths are accepted with.
    pub(super) fn trusted_keys(&self) -> Vec<PublicKey> {
        match self.keys.as_slice() {
            [] => self.nix_conf.trusted_keys(),
            stated => stated.to_vec(),
        }
    }
}

impl DoctorTarget {
    /// As Nix writes it: without parameters, login and final slashes.
    pub(super) fn plain(&self) -> String {
        plain_url(&self.url)
    }

    /// A client that tries once.
    pub(super) fn client(&self, conf: &NixConf) -> Option<CacheClient> {
        let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let ca_file = CaFile::find(conf.get("ssl-cert-file"));
        let credentials = self.credentials.clone();
        let config = ClientConfig::new(self.url.clone());
        CacheClient::new(ClientConfig { credentials, ca_file, retry, ..config }).ok()
    }
}
