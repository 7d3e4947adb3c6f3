//! The certificate of a client: shown to this server, or to an nginx in front that says what it was.

use std::{
    any::Any,
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    HttpRequest,
    dev::Extensions,
    http::header::{HeaderMap, HeaderValue},
    rt::net::TcpStream,
};
use rustls::pki_types::CertificateDer;

use super::Subject;
use crate::{
    nginx,
    tls::{ClientCa, Vouching, vouches},
};

/// What nginx says: `$ssl_client_verify` and `$ssl_client_s_dn`.
const VERIFY: &str = "x-ssl-client-verify";
const SUBJECT: &str = "x-ssl-client-s-dn";

/// A certificate that was good once is looked at again after this time: it may have expired since.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// The certificate that a client shows with its request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Certificate<'a> {
    /// None.
    None,
    /// A good one.
    Of(Cow<'a, Owner>),
    /// One that is not good; why, for the operator.
    Wrong(&'static str),
}

/// Whose certificate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) subject: Subject,
    /// What it is called in the log and where limits are kept.
    pub(crate) name: Arc<str>,
}

impl Owner {
    pub(crate) fn new(subject: Subject) -> Self {
        Self { name: format!("certificate {subject}").into(), subject }
    }
}

impl<'a> Certificate<'a> {
    /// That of a request.
    pub(crate) fn of(request: &'a HttpRequest) -> Self {
        let is_nginx = request.conn_data::<nginx::Behind>().is_some();
        match said(request.headers(), is_nginx) {
            Self::None => request.conn_data::<Peer>().map_or(Self::None, Peer::certificate),
            said => said,
        }
    }
}

/// What the headers say that only nginx may send.
fn said(headers: &HeaderMap, is_nginx: bool) -> Certificate<'static> {
    let (verify, subject) = (sole(headers, VERIFY), sole(headers, SUBJECT));
    match (verify, subject) {
        // What nginx says when the client shows none; whoever else says it claims nothing.
        (Ok(None | Some("" | "NONE")), Ok(None | Some(""))) => Certificate::None,
        _ if !is_nginx => {
            Certificate::Wrong("headers about a certificate, from somebody who is not nginx")
        }
        (Ok(Some("SUCCESS")), Ok(Some(subject))) => match Subject::of_text(subject) {
            Ok(subject) => Certificate::Of(Cow::Owned(Owner::new(subject))),
            Err(_) => Certificate::Wrong("the subject of its certificate cannot be read"),
        },
        (Ok(_), Ok(_)) => Certificate::Wrong("nginx did not find its certificate good"),
        _ => Certificate::Wrong("unreadable headers about a certificate"),
    }
}

/// The value of a header that may be there once.
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).map(HeaderValue::to_str);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(()),
    }
}

/// The certificate of the client at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The client's own certificate, then those that it is signed by.
    chain: Vec<CertificateDer<'static>>,
    owner: Option<Owner>,
    client_ca: ClientCa,
    found_good: Mutex<Option<FoundGood>>,
}

/// When a chain was found good, and by whom.
#[derive(Debug)]
struct FoundGood {
    by: Arc<Vouching>,
    at: Instant,
}

impl Peer {
    /// Notes the certificate of a connection that has just been made.
    pub(crate) fn note(client_ca: &ClientCa, stream: &dyn Any, extensions: &mut Extensions) {
        let Some(stream) = stream.downcast_ref::<TlsStream<TcpStream>>() else { return };
        if let Some(chain) = stream.get_ref().1.peer_certificates() {
            extensions.insert(Self::new(client_ca.clone(), chain));
        }
    }

    fn new(client_ca: ClientCa, chain: &[CertificateDer<'_>]) -> Self {
        Self {
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            owner: chain.first().and_then(|own| Subject::of_certificate(own)).map(Owner::new),
            client_ca,
            found_good: Mutex::new(None),
        }
    }

    fn certificate(&self) -> Certificate<'_> {
        if !self.is_good() {
            return Certificate::Wrong("its certificate is not good any more");
        }
        match &self.owner {
            Some(owner) => Certificate::Of(Cow::Borrowed(owner)),
            None => Certificate::Wrong("the subject of its certificate cannot be read"),
        }
    }

    /// A connection can outlive what its certificate was checked with: a CA that was withdrawn since does not
    /// vouch for it any more.
    fn is_good(&self) -> bool {
        let Some(vouching) = self.client_ca.now() else { return false };
        let mut found_good = self.found_good.lock().unwrap_or_else(PoisonError::into_inner);
        let still_good = found_good.as_ref().is_some_and(|found| {
            Arc::ptr_eq(&found.by, &vouching) && found.at.elapsed() < GOOD_FOR
        });
        if still_good {
            return true;
        }
        *found_good =
            vouches(&vouching, &self.chain).then(|| FoundGood { by: vouching, at: Instant::now() });
        found_good.is_some()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::{config::TlsFiles, tls};

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn given(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/tls").join(name)
    }

    /// What TLS listeners have when these vouch for clients.
    fn vouched(client_ca: Option<&str>) -> TlsFiles {
        let client_ca = client_ca.map(given);
        TlsFiles { certificate: given("one.crt"), key: given("one.key"), client_ca }
    }

    #[test]
    fn a_withdrawn_ca_counts_on_connections_that_are_open() {
        let tls = tls::Certificate::load(&vouched(Some("ca.crt"))).unwrap();
        let chain = [CertificateDer::from_pem_file(given("ci.crt")).unwrap()];
        let peer = Peer::new(tls.client_ca().clone(), &chain);
        let is_ci = |peer: &Peer| match peer.certificate() {
            Certificate::Of(owner) => {
                assert_eq!(
                    &*owner.name,
                    "certificate C=DE,O=Ex\u{e4}mple\\, Inc.,OU=builders,UID=7,CN=ci"
                );
                true
            }
            _ => false,
        };
        assert!(is_ci(&peer) && is_ci(&peer));
        for (client_ca, good) in
            [(Some("other-ca.crt"), false), (Some("ca.crt"), true), (None, false)]
        {
            tls.prepare(&vouched(client_ca)).unwrap().show();
            assert_eq!(is_ci(&peer), good, "{client_ca:?}");
        }
    }

    #[test]
    fn nginx_is_believed_and_nobody_else_is() {
        let good = headers(&[("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-S-DN", "CN=ci")]);
        let owner = Owner::new(Subject::parse("CN=ci").unwrap());
        assert_eq!(&*owner.name, "certificate CN=ci");
        assert_eq!(said(&good, true), Certificate::Of(Cow::Owned(owner)));
        assert!(matches!(said(&good, false), Certificate::Wrong(_)));
    }

    #[test]
    fn to_have_no_certificate_is_nothing_wrong() {
        for none in [&[][..], &[(VERIFY, "NONE")], &[(VERIFY, "NONE"), (SUBJECT, "")]] {
            assert_eq!(said(&headers(none), true), Certificate::None);
            assert_eq!(said(&headers(none), false), Certificate::None);
        }
    }

    #[test]
    fn what_nginx_did_not_find_good_is_wrong() {
        for wrong in [
            &[(VERIFY, "FAILED:certificate has expired"), (SUBJECT, "CN=ci")][..],
            &[(VERIFY, "NONE"), (SUBJECT, "CN=ci")],
            &[(SUBJECT, "CN=ci")],
            &[(VERIFY, "SUCCESS")],
            &[(VERIFY, "SUCCESS"), (SUBJECT, "ci")],
            &[(VERIFY, "SUCCESS"), (VERIFY, "SUCCESS"), (SUBJECT, "CN=ci")],
            &[(VERIFY, "SUCCESS"), (SUBJECT, "CN=ci"), (SUBJECT, "CN=other")],
        ] {
            assert!(matches!(said(&headers(wrong), true), Certificate::Wrong(_)), "{wrong:?}");
        }
    }
}
