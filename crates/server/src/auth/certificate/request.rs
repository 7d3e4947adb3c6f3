//! The certificate that comes with a request: shown to this server, or to an nginx in front that passes it on.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderValue};

use super::{CertificateOwner, ClientCertificate};
use crate::{auth::Subject, connection::request_parts::RequestParts};

/// The headers of nginx: `$ssl_client_verify` and `$ssl_client_s_dn`.
const VERIFY: &str = "x-ssl-client-verify";
const SUBJECT: &str = "x-ssl-client-s-dn";

impl ClientCertificate {
    /// That of a request.
    pub(crate) fn of(request: &impl RequestParts) -> Self {
        // Any client can connect to a TCP port; the operator chooses which processes can connect to a unix socket.
        let is_nginx = request.is_from_nginx() && request.head().peer_addr.is_none();
        match said(request.head().headers(), is_nginx) {
            Self::None => request
                .connection()
                .and_then(|of| of.certificate.get().map(|certificate| certificate.certificate()))
                .unwrap_or(Self::None),
            said => said,
        }
    }
}

/// The certificate in the headers that only nginx may send.
fn said(headers: &HeaderMap, is_nginx: bool) -> ClientCertificate {
    let (verify, subject) = (sole(headers, VERIFY), sole(headers, SUBJECT));
    match (verify, subject) {
        // The headers of nginx when the client shows none; they claim nothing.
        (Ok(None | Some("" | "NONE")), Ok(None | Some(""))) => ClientCertificate::None,
        _ if !is_nginx => ClientCertificate::Wrong(
            "headers about a certificate that did not come from nginx on a unix socket",
        ),
        (Ok(Some("SUCCESS")), Ok(Some(subject))) => match Subject::of_text(subject) {
            Ok(subject) => ClientCertificate::Of(Arc::new(CertificateOwner::new(subject))),
            Err(_) => ClientCertificate::Wrong("the subject of its certificate cannot be read"),
        },
        (Ok(_), Ok(_)) => ClientCertificate::Wrong("nginx did not find its certificate good"),
        _ => ClientCertificate::Wrong("unreadable headers about a certificate"),
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

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

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

    #[test]
    fn nginx_is_believed_and_nobody_else_is() {
        let good = headers(&[("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-S-DN", "CN=ci")]);
        let owner = CertificateOwner::new(Subject::parse("CN=ci").unwrap());
        assert_eq!(&*owner.name, "certificate CN=ci");
        assert_eq!(said(&good, true), ClientCertificate::Of(Arc::new(owner)));
        assert!(matches!(said(&good, false), ClientCertificate::Wrong(_)));
    }

    #[test]
    fn to_have_no_certificate_is_nothing_wrong() {
        for none in [&[][..], &[(VERIFY, "NONE")], &[(VERIFY, "NONE"), (SUBJECT, "")]] {
            assert_eq!(said(&headers(none), true), ClientCertificate::None);
            assert_eq!(said(&headers(none), false), ClientCertificate::None);
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
            assert!(
                matches!(said(&headers(wrong), true), ClientCertificate::Wrong(_)),
                "{wrong:?}"
            );
        }
    }
}
