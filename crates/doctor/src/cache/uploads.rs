//! Proxies in the way of uploads: the largest body that they take, and where they keep it.
//!
//! Without a credential an upload is refused by its head, so that nothing is ever stored. A proxy that answers before the
//! cache does, or that waits for the whole body, gives itself away.

use std::time::Duration;

use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader,
    },
    net::TcpStream,
    time::timeout,
};

use super::{subject::CacheSubject, tls_probe};
use crate::{Finding, FindingId, Outcome};

/// The length of the body that is announced, in bytes: a NAR of a usual large package.
const BODY_BYTES: usize = 64 << 20;

/// The part of the body that is sent, in bytes.
const SENT_BYTES: usize = 64 << 10;

/// The longest time in which a cache behind a proxy that passes bodies on refuses the head.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(8);

/// The end of the announced upload.
enum UploadEnd {
    /// The status of the answer.
    Status(u16),
    /// No answer came while the body was not whole.
    Waits,
}

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    if !cache.view.pushes {
        return Outcome::NotApplicable;
    }
    match announce(cache).await {
        Ok(UploadEnd::Status(413)) => Outcome::wrong(Finding::new(
            FindingId::ProxyBodyLimit,
            format!(
                "an upload of {} MiB is refused with status 413 before the cache is asked",
                BODY_BYTES >> 20
            ),
            "nginx.conf: client_max_body_size 0;   # in the location of the cache",
        )),
        Ok(UploadEnd::Waits) => Outcome::wrong(Finding::new(
            FindingId::ProxyBuffers,
            "a proxy waits for the whole body of an upload before the cache can refuse it",
            "nginx.conf: proxy_request_buffering off;   # in the location of the cache",
        )),
        Ok(UploadEnd::Status(_)) => {
            Outcome::Sound("uploads reach the cache as they are sent".to_owned())
        }
        Err(error) => Outcome::Unchecked(format!("no upload could be tried: {error}")),
    }
}

/// Announces an upload without a credential and without an end.
async fn announce(cache: &CacheSubject) -> std::io::Result<UploadEnd> {
    let (base, proxy) = (&cache.base, cache.proxy.as_ref());
    let host = base.host_str().unwrap_or_default();
    let port = base.port_or_known_default().unwrap_or(80);
    let authority = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let head = format!(
        "PUT {}push/nar/{}.nar HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-nix-nar\r\n\
         Content-Length: {BODY_BYTES}\r\nExpect: 100-continue\r\n\r\n",
        base.path(),
        "0".repeat(52),
    );
    if base.scheme() == "https" {
        let stream =
            tls_probe::connect(base, proxy, &[b"http/1.1"]).await.map_err(std::io::Error::other)?;
        return converse(stream, &head).await;
    }
    if let Some(proxy) = proxy {
        return Err(std::io::Error::other(format!("{proxy} is in the way")));
    }
    converse(TcpStream::connect((host.trim_matches(['[', ']']), port)).await?, &head).await
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
) -> std::io::Result<UploadEnd> {
    let mut stream = BufReader::new(stream);
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    // A server may leave out that it asks for the body.
    if let Ok(status) = timeout(REFUSAL_TIMEOUT, status(&mut stream)).await {
        match status? {
            100 => {}
            status => return Ok(UploadEnd::Status(status)),
        }
    }
    // A request that was refused meanwhile may not be taken any more.
    _ = stream.write_all(&vec![0; SENT_BYTES]).await;
    _ = stream.flush().await;
    match timeout(REFUSAL_TIMEOUT, status(&mut stream)).await {
        Ok(status) => Ok(UploadEnd::Status(status?)),
        Err(_) => Ok(UploadEnd::Waits),
    }
}

/// The status of the next answer, with the rest of its head read.
async fn status(stream: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<u16> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer is not HTTP"))?;
    while line.trim() != "" {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            break;
        }
    }
    Ok(status)
}
