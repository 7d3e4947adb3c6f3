//! The certificate: its time, its names, and whom this machine trusts.

use time::{Duration, OffsetDateTime};

use super::{
    http::{TlsTrouble, Trouble},
    subject::CacheSubject,
    tls_probe::HandshakeFacts,
};
use crate::{Finding, FindingId, Outcome};

/// A certificate that is over within this time is a finding.
const MIN_VALIDITY: Duration = Duration::days(7);

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    if cache.base.scheme() != "https" {
        return Outcome::NotApplicable;
    }
    let seen = match cache.handshake().await {
        Ok(seen) => seen,
        Err(_) if is_absent(cache).await => {
            let plain = cache.base.as_str().replacen("https:", "http:", 1);
            return Outcome::wrong(Finding::new(
                FindingId::TlsAbsent,
                format!("{} is answered by something that speaks no TLS", cache.base),
                format!("curl -i {plain}nix-cache-info   # is the cache there, without TLS?"),
            ));
        }
        Err(why) => {
            return Outcome::Unchecked(format!("there is no certificate to look at: {why}"));
        }
    };
    let mut findings: Vec<Finding> = expiry(seen, cache).into_iter().collect();
    if let Err(Trouble::Tls(trouble, why)) = cache.info_answer().await {
        findings.extend(distrust(*trouble, why, cache, !findings.is_empty()));
        if findings.is_empty() {
            return Outcome::Unchecked(format!("this program cannot judge the certificate: {why}"));
        }
    }
    let until = seen.not_after.date();
    Outcome::of(findings, format!("the certificate is good until {until}"))
}

async fn is_absent(cache: &CacheSubject) -> bool {
    matches!(cache.info_answer().await, Err(Trouble::Tls(TlsTrouble::Absent, _)))
}

fn expiry(seen: &HandshakeFacts, cache: &CacheSubject) -> Option<Finding> {
    let host = cache.base.host_str().unwrap_or_default();
    let left = seen.not_after - OffsetDateTime::now_utc();
    let renew = format!(
        "renew the certificate of {host} on its server: systemctl start acme-{host}.service"
    );
    let date = seen.not_after.date();
    if left.is_negative() {
        let what = format!("the certificate of {host} ended on {date}");
        Some(Finding::new(FindingId::TlsExpired, what, renew))
    } else if left < MIN_VALIDITY {
        let what = format!("the certificate of {host} ends on {date}");
        Some(Finding::new(FindingId::TlsExpiresSoon, what, renew))
    } else {
        None
    }
}

fn distrust(
    trouble: TlsTrouble,
    why: &str,
    cache: &CacheSubject,
    is_expired: bool,
) -> Option<Finding> {
    let host = cache.base.host_str().unwrap_or_default();
    match trouble {
        TlsTrouble::Expired if is_expired => None,
        // An authority in between is over, not the certificate itself.
        TlsTrouble::Expired => Some(Finding::new(
            FindingId::TlsExpired,
            format!("a certificate in the chain of {host} has ended: {why}"),
            format!("send the present chain from the server of {host}"),
        )),
        TlsTrouble::WrongName => Some(Finding::new(
            FindingId::TlsWrongName,
            format!("the certificate is not for {host}"),
            format!("ask under a name of the certificate, or get one for {host}"),
        )),
        TlsTrouble::Untrusted => Some(Finding::new(
            FindingId::TlsUntrusted,
            format!("this machine trusts no authority of the certificate of {host}: {why}"),
            "/etc/nix/nix.conf: ssl-cert-file = FILE   # with the certificate of the authority",
        )),
        TlsTrouble::Absent | TlsTrouble::Other => None,
    }
}
