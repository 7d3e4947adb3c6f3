//! Requests as they are, without another try and without unpacking: faults must be seen.

use std::{error::Error as _, fmt, fs, io, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Identity, Method, Proxy, Response,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use rns_client::{CaFile, CaFileError};
use url::Url;

use super::proxy::ForwardProxy;

/// The longest time for making a connection.
const PROBE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one server.
#[derive(Clone, Debug)]
pub(super) struct HttpProbe {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

/// An answer with any status.
#[derive(Clone, Debug)]
pub(super) struct HttpAnswer {
    /// The URL that answered, after all redirects.
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The reason for having no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection could be made.
    Unreachable(String),
    /// TLS refuses the server.
    Tls(TlsTrouble, String),
    /// The answer ended too soon, or is too long.
    Cut(String),
}

/// The fault of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsTrouble {
    Expired,
    Untrusted,
    WrongName,
    /// The answer is none of TLS.
    Absent,
    Other,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the cache cannot be reached: {why}"),
            Self::Tls(_, why) => write!(f, "TLS refuses the cache: {why}"),
            Self::Cut(why) => write!(f, "the answer did not come whole: {why}"),
        }
    }
}

impl std::error::Error for Trouble {}

/// The reason for having no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of authorities that a variable of the environment, or nix.conf, names cannot be used.
    #[error(transparent)]
    Authorities(#[from] CaFileError),
    /// A file of the client's own certificate cannot be read.
    #[error("cannot read {file}: {source}")]
    CertificateFile {
        /// The file.
        file: String,
        /// The failure.
        source: io::Error,
    },
    /// The client's own certificate is none.
    #[error("the client certificate cannot be used: {0}")]
    Certificate(reqwest::Error),
    /// The proxy of the environment is none. Its URL may hold a password.
    #[error("the proxy that the environment names cannot be used")]
    Proxy,
    /// There is no client with these settings.
    #[error("{0}")]
    Settings(reqwest::Error),
}

impl HttpAnswer {
    /// The value of a header that is text.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The compression that the answer has on its way, if any.
    pub(super) fn content_encoding(&self) -> Option<&str> {
        self.header(header::CONTENT_ENCODING).filter(|coding| *coding != "identity")
    }
}

impl HttpProbe {
    /// A client. `url` may name the certificate of the client, as Nix takes it: `?tls-certificate=…&tls-private-key=…`.
    /// `ca_file` has the authorities that are trusted instead of those of the system.
    pub(super) fn new(
        url: &Url,
        base: Url,
        authorization: Option<HeaderValue>,
        ca_file: Option<CaFile>,
        proxy: Option<&ForwardProxy>,
    ) -> Result<Self, ClientError> {
        // The TLS of the HTTP client has no cryptography of its own; a second call changes nothing.
        _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(PROBE_CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("rust-nix-serve/", env!("CARGO_PKG_VERSION"), " doctor"));
        if let Some(proxy) = proxy {
            let proxy = Proxy::all(proxy.url().as_str()).map_err(|_| ClientError::Proxy)?;
            builder = builder.proxy(proxy);
        }
        match ca_file.map(|ca_file| ca_file.certificates()).transpose() {
            Ok(None) => {}
            Ok(Some(certificates)) => builder = builder.tls_certs_only(certificates),
            // Only a redirect speaks TLS, and finds nothing to trust then.
            Err(_) if url.scheme() == "http" => builder = builder.tls_certs_only([]),
            Err(error) => return Err(error.into()),
        }
        if let Some(identity) = identity(url)? {
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(ClientError::Settings)?;
        Ok(Self { client, base, authorization })
    }

    pub(super) const fn has_credential(&self) -> bool {
        self.authorization.is_some()
    }

    /// The answer to a GET of at most so many bytes.
    pub(super) async fn get(&self, url: Url, limit: usize) -> Result<HttpAnswer, Trouble> {
        self.send(Method::GET, url, HeaderMap::new(), limit).await
    }

    /// The answer to a request of at most so many bytes. Redirects are followed.
    pub(super) async fn send(
        &self,
        method: Method,
        mut url: Url,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<HttpAnswer, Trouble> {
        for _ in 0..=rns_client::MAX_REDIRECTS {
            let mut request = self.client.request(method.clone(), url.clone());
            request = request.headers(headers.clone());
            // A redirect to another server must not carry the credential there.
            let is_own = rns_client::is_own(&self.base, &url);
            if let Some(authorization) = self.authorization.as_ref().filter(|_| is_own) {
                request = request.header(header::AUTHORIZATION, authorization.clone());
            }
            let response = request.send().await.map_err(|error| trouble(&error))?;
            if let Some(next) = redirect(&response, &url) {
                url = next;
                continue;
            }
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            return Ok(HttpAnswer { url, status, headers, body: read(response, limit).await? });
        }
        Err(Trouble::Cut("it redirects for ever".to_owned()))
    }
}

/// The certificate that the client shows.
fn identity(url: &Url) -> Result<Option<Identity>, ClientError> {
    let named = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, file)| file.into_owned())
    };
    let (Some(certificate), Some(key)) = (named("tls-certificate"), named("tls-private-key"))
    else {
        return Ok(None);
    };
    let read = |file: String| match fs::read(&file) {
        Ok(pem) => Ok(pem),
        Err(source) => Err(ClientError::CertificateFile { file, source }),
    };
    let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
    Identity::from_pem(&pem).map(Some).map_err(ClientError::Certificate)
}

fn redirect(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = response.headers().get(header::LOCATION)?.to_str().ok()?;
    from.join(to).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

async fn read(mut response: Response, limit: usize) -> Result<Bytes, Trouble> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(Trouble::Cut(format!("it has more than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn trouble(error: &reqwest::Error) -> Trouble {
    let mut causes = Vec::new();
    let mut tls = None;
    let mut source = error.source();
    while let Some(cause) = source {
        tls = tls.or_else(|| tls_error(cause).map(tls_trouble));
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.dedup();
    let why = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
    match tls {
        Some(tls) => Trouble::Tls(tls, why),
        None if error.is_connect() => Trouble::Unreachable(why),
        None => Trouble::Cut(why),
    }
}

/// The error of TLS in another one. An I/O error has it inside, and not as its source.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    tls_error(error.downcast_ref::<io::Error>()?.get_ref()?)
}

const fn tls_trouble(error: &rustls::Error) -> TlsTrouble {
    use rustls::{CertificateError as Fault, Error};
    match error {
        Error::InvalidCertificate(fault) => match fault {
            Fault::Expired | Fault::ExpiredContext { .. } => TlsTrouble::Expired,
            Fault::NotValidForName | Fault::NotValidForNameContext { .. } => TlsTrouble::WrongName,
            // The certificate of an authority, shown by a server itself, which Nix may accept.
            Fault::Other(_) => TlsTrouble::Other,
            _ => TlsTrouble::Untrusted,
        },
        Error::InvalidMessage(_) => TlsTrouble::Absent,
        _ => TlsTrouble::Other,
    }
}
