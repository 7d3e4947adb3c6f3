//! One cache, and the facts about it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{Client, header::HeaderValue};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    ca_file::CaFile,
    connect,
    credentials::{Credentials, CredentialsError},
    error::{RequestError, RequestFailure},
    liveness::Liveness,
    retry::{Rest, RetryPolicy},
};

/// The way to speak to a cache.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The address of the cache, `http` or `https`. Login and password in it are used where there is no other credential.
    pub url: Url,
    /// The credential that it gets.
    pub credentials: Credentials,
    /// The reason for which there is no credential, for messages; empty where there is none to tell.
    pub no_credential: String,
    /// The file of authorities that TLS trusts instead of those of the system.
    pub ca_file: Option<CaFile>,
    /// The attempts of each request, and the pauses between them.
    pub retry: RetryPolicy,
    /// Requests at the same time.
    pub connections: usize,
    /// The time without any movement after which a request is given up.
    pub stall_timeout: Duration,
    /// Is told of attempts and of bytes that are sent.
    pub liveness: Liveness,
}

impl ClientConfig {
    /// The usual way to speak to a cache: 16 requests at the same time, five minutes of silence.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            credentials: Credentials::Anonymous,
            no_credential: String::new(),
            ca_file: None,
            retry: RetryPolicy::default(),
            connections: 16,
            stall_timeout: Duration::from_secs(300),
            liveness: Liveness::default(),
        }
    }
}

/// A client of one cache. Clones share its connections, and the facts that it has found.
#[derive(Clone, Debug)]
pub struct CacheClient {
    pub(crate) shared: Arc<ClientParts>,
}

#[derive(Debug)]
pub(crate) struct ClientParts {
    pub(crate) http: Client,
    /// Without credential, query and fragment; ends with a slash.
    pub(crate) base: Url,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) no_credential: String,
    pub(crate) retry: RetryPolicy,
    pub(crate) stall_timeout: Duration,
    pub(crate) liveness: Liveness,
    /// The time for which the cache has asked to be left alone.
    pub(crate) rest: Rest,
    /// One permit for each request at the same time.
    pub(crate) places: Semaphore,
    /// True for a cache that answers one question about many paths; unknown before the first was asked.
    pub(crate) answers_batches: OnceLock<bool>,
}

impl CacheClient {
    /// A client of the cache that is described. Nothing is asked yet.
    ///
    /// # Errors
    /// When the URL is none of a server, the credential cannot be sent, or the authorities cannot be read.
    pub fn new(config: ClientConfig) -> Result<Self, RequestError> {
        let ClientConfig {
            mut url,
            credentials,
            no_credential,
            ca_file,
            retry,
            connections,
            stall_timeout,
            liveness,
        } = config;
        let credentials = match credentials {
            Credentials::Anonymous => Credentials::of_url(&url).unwrap_or_default(),
            given => given,
        };
        // A URL that cannot have a login has no host either, which is refused next.
        _ = url.set_password(None);
        _ = url.set_username("");
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
        let refuse = |why: String| RequestError::new(url.as_str(), RequestFailure::Unusable(why));
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse("it is no http or https URL of a server".to_owned()));
        }
        let authorization =
            credentials.header().map_err(|error: CredentialsError| refuse(error.to_string()))?;
        let authorities = match ca_file.map(|ca_file| ca_file.certificates()).transpose() {
            // Only a redirect speaks TLS, and finds nothing to trust then.
            Err(_) if url.scheme() == "http" => Some(Vec::new()),
            read => read.map_err(|error| {
                RequestError::new(url.as_str(), RequestFailure::Authorities(error))
            })?,
        };
        let http =
            connect::client(connections, authorities).map_err(|error| refuse(error.to_string()))?;
        Ok(Self {
            shared: Arc::new(ClientParts {
                http,
                base: url,
                authorization,
                no_credential,
                retry,
                stall_timeout,
                liveness,
                rest: Rest::default(),
                places: Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS)),
                answers_batches: OnceLock::new(),
            }),
        })
    }

    /// The address of the cache, without credentials; it ends with a slash.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.shared.base
    }

    /// The address that this program's server has for pushers: `push` below that of the cache.
    #[must_use]
    pub(crate) fn push_url(&self) -> Url {
        let mut url = self.shared.base.clone();
        if !url.path().ends_with("/push/") {
            url.set_path(&format!("{}push/", url.path()));
        }
        url
    }

    /// The address for uploads: the push address if there is one, else that of the cache.
    #[must_use]
    pub(crate) fn upload_url(&self) -> Url {
        match self.shared.answers_batches.get() {
            Some(true) => self.push_url(),
            Some(false) | None => self.shared.base.clone(),
        }
    }
}
