//! HTTP/2, which clients can choose over TLS alone.

use super::{subject::CacheSubject, tls_probe::Protocol};
use crate::Outcome;

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    if cache.base.scheme() != "https" {
        return Outcome::NotApplicable;
    }
    let host = cache.base.host_str().unwrap_or_default();
    let reason = match cache.handshake().await {
        Ok(seen) => match seen.protocol {
            Protocol::Http2 => return Outcome::Sound("clients can choose it".to_owned()),
            Protocol::Http1 => "chooses HTTP/1.1 although HTTP/2 is offered to it",
            Protocol::NotChosen => "does not answer which protocol it speaks (ALPN is missing)",
        },
        Err(why) => return Outcome::Unchecked(format!("there is no TLS connection: {why}")),
    };
    Outcome::Hint {
        what: format!(
            "{host} {reason}: clients need a connection for each request on its way, instead of one for all"
        ),
        mend: "nginx.conf: http2 on;   # in the server block that listens with ssl".to_owned(),
    }
}
