//! The cache that is looked at, and the facts that several checks share.

use std::{path::PathBuf, str::Utf8Error, sync::Arc};

use reqwest::header::HeaderValue;
use rns_client::{CaFile, Credentials, CredentialsError};
use rns_formats::{
    CacheInfo, CacheInfoError, HashPart, MAX_CACHE_INFO_BYTES, NarInfo, PublicKey, StoreDir,
};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    discovery::{self, DiscoveryError, FoundNarInfo, NarInfoSource},
    http::{ClientError, HttpAnswer, HttpProbe, Trouble},
    proxy::{ForwardProxy, ProxyError},
    tls_probe::{self, HandshakeError, HandshakeFacts},
};
use crate::{Outcome, machine::NixConf};

/// The reason for which a cache cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CacheSubjectError {
    /// The URL is none of a web server.
    #[error("it is no http or https URL of a server")]
    NoWebServer,
    /// The credential cannot be sent.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// There is no client for it.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The reason for not knowing the properties of a cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum InfoError {
    /// There is no answer.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The cache answers with this status.
    #[error("nix-cache-info is answered with status {0}")]
    Status(u16),
    /// The answer is no text.
    #[error(transparent)]
    NoText(#[from] Utf8Error),
    /// The answer has no properties of a cache.
    #[error(transparent)]
    Malformed(#[from] CacheInfoError),
}

/// A cache, and the client that would use it.
#[derive(Clone, Debug)]
pub struct CacheView {
    /// The address of the cache, as `substituters` has it.
    pub url: Url,
    /// The credential that is sent.
    pub credentials: Credentials,
    /// True if the client is going to push.
    pub pushes: bool,
    /// The store directory of the client.
    pub store_dir: StoreDir,
    /// The keys that the user states. Where there are none, those of `nix_conf` are trusted.
    pub keys: Vec<PublicKey>,
    /// The paths that may be looked for in the cache, the best first.
    pub paths: Vec<HashPart>,
    /// True if the user says that the cache has these paths, so that no other one is looked for.
    pub are_paths_named: bool,
    /// The netrc file that a credential is looked for in, and true if the user named it.
    pub netrc: (PathBuf, bool),
    /// The configuration of the client.
    pub nix_conf: Arc<NixConf>,
}

/// A cache that is looked at. Answers are remembered for all checks.
#[derive(Debug)]
pub struct CacheSubject {
    pub(super) view: CacheView,
    /// Without credential, query and fragment; ends with a slash.
    pub(super) base: Url,
    pub(super) http: HttpProbe,
    /// The proxy on the way to it, which the environment names.
    pub(super) proxy: Option<ForwardProxy>,
    /// The reason for which the proxy that the environment names cannot be used here, though Nix may use it.
    pub(super) proxy_error: Option<ProxyError>,
    handshake: OnceCell<Result<HandshakeFacts, HandshakeError>>,
    info: OnceCell<Result<HttpAnswer, Trouble>>,
    narinfo: OnceCell<Result<FoundNarInfo, DiscoveryError>>,
    advertised: OnceCell<Vec<PublicKey>>,
}

impl CacheSubject {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the URL is none of a web server, or names certificates that cannot be used.
    pub fn new(view: CacheView) -> Result<Self, CacheSubjectError> {
        let mut base = view.url.clone();
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(CacheSubjectError::NoWebServer);
        }
        // A URL with a host can have a login.
        _ = base.set_password(None);
        _ = base.set_username("");
        base.set_query(None);
        base.set_fragment(None);
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let authorization = authorization(&view)?;
        let (proxy, proxy_error) = match ForwardProxy::for_url(&base) {
            Ok(proxy) => (proxy, None),
            Err(error) => (None, Some(error)),
        };
        let ca_file = CaFile::find(view.nix_conf.get("ssl-cert-file"));
        let http = HttpProbe::new(&view.url, base.clone(), authorization, ca_file, proxy.as_ref())?;
        Ok(Self {
            view,
            base,
            http,
            proxy,
            proxy_error,
            handshake: OnceCell::new(),
            info: OnceCell::new(),
            narinfo: OnceCell::new(),
            advertised: OnceCell::new(),
        })
    }

    /// Returns true if a credential is sent.
    pub(super) fn has_credential(&self) -> bool {
        self.http.has_credential()
    }

    /// The URL of an object.
    pub(super) fn below(&self, name: &str) -> Result<Url, Trouble> {
        self.base.join(name).map_err(|error| Trouble::Cut(format!("{name}: {error}")))
    }

    /// The facts of a TLS handshake.
    ///
    /// # Errors
    /// The reason for which there was none.
    pub(super) async fn handshake(&self) -> Result<&HandshakeFacts, &HandshakeError> {
        let look = async || tls_probe::look(&self.base, self.proxy.as_ref()).await;
        self.handshake.get_or_init(look).await.as_ref()
    }

    /// The answer to `nix-cache-info`, with any status.
    pub(super) async fn info_answer(&self) -> Result<&HttpAnswer, &Trouble> {
        let ask = async || self.http.get(self.below("nix-cache-info")?, MAX_CACHE_INFO_BYTES).await;
        self.info.get_or_init(ask).await.as_ref()
    }

    /// The properties of the cache.
    ///
    /// # Errors
    /// The reason for which there are none.
    pub(super) async fn cache_info(&self) -> Result<CacheInfo, InfoError> {
        let answer = self.info_answer().await.map_err(Clone::clone)?;
        if answer.status != 200 {
            return Err(InfoError::Status(answer.status));
        }
        Ok(CacheInfo::parse(str::from_utf8(&answer.body)?)?)
    }

    /// A narinfo of the cache, which a client may refuse.
    ///
    /// # Errors
    /// The reason for which there is none.
    pub(super) async fn narinfo(&self) -> Result<&FoundNarInfo, &DiscoveryError> {
        self.narinfo.get_or_init(async || self.find_narinfo().await).await.as_ref()
    }

    /// Looks for the paths that this machine knows, and else for one that the cache offers.
    async fn find_narinfo(&self) -> Result<FoundNarInfo, DiscoveryError> {
        let info = self.cache_info().await;
        let store_dir = info.map_or_else(|_| self.view.store_dir.clone(), |info| info.store_dir);
        let place = NarInfoSource { http: &self.http, base: &self.base, store_dir };
        match discovery::find(&place, &self.view.paths).await? {
            Some(found) => return Ok(found),
            None if self.view.are_paths_named => return Err(DiscoveryError::Missing),
            None => {}
        }
        let offered = discovery::offered(&place).await?;
        discovery::find(&place, offered.as_slice()).await?.ok_or(DiscoveryError::NoPath)
    }

    /// Returns true if this machine pushes to the cache, and Nix does not substitute from it: then the keys that Nix trusts
    /// here do not matter.
    pub(super) fn only_pushes(&self) -> bool {
        self.view.pushes && !self.view.nix_conf.substitutes_from(&self.view.url)
    }

    /// A narinfo of the cache that clients accept, and its hash part.
    ///
    /// # Errors
    /// The outcome of a check that needs one.
    pub(super) async fn usable_narinfo(&self) -> Result<(HashPart, &NarInfo), Outcome> {
        let found = self.narinfo().await.map_err(DiscoveryError::outcome)?;
        let FoundNarInfo { hash, narinfo } = found;
        let narinfo = narinfo.as_ref().map_err(|fault| Outcome::Unchecked(fault.to_string()))?;
        Ok((*hash, narinfo))
    }

    /// The keys that the cache itself names. They prove nothing, but the user may compare them.
    pub(super) async fn advertised_keys(&self) -> &[PublicKey] {
        let ask = async || {
            let Ok(url) = self.below("pubkey") else { return Vec::new() };
            let Ok(answer) = self.http.get(url, MAX_CACHE_INFO_BYTES).await else {
                return Vec::new();
            };
            let text = String::from_utf8_lossy(&answer.body);
            let keys = text.lines().filter_map(|line| PublicKey::parse(line).ok());
            if answer.status == 200 { keys.collect() } else { Vec::new() }
        };
        self.advertised.get_or_init(ask).await
    }
}

/// The header with the credential.
fn authorization(view: &CacheView) -> Result<Option<HeaderValue>, CredentialsError> {
    let credentials = match &view.credentials {
        Credentials::Anonymous => Credentials::of_url(&view.url).unwrap_or_default(),
        given => given.clone(),
    };
    credentials.header()
}
