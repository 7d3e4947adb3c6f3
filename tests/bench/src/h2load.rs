//! h2load: requests over TLS, by HTTP/1.1 or HTTP/2.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::{load::Load, wrk::children_seconds};

/// How clients talk to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// One request at a time on each connection.
    Http1,
    /// Eight requests at a time on each connection.
    Http2,
}

impl Version {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// Asks for so many targets of the file `list`, one after the other and again from its beginning. Every answer must be
/// a 200.
pub(crate) fn run(
    address: SocketAddr,
    version: Version,
    connections: usize,
    requests: usize,
    list: &Path,
) -> Result<Load> {
    let uris = list.with_extension(format!("{}.uris", address.port()));
    let targets = fs::read_to_string(list)?;
    let lines = targets.lines().map(|target| format!("https://{address}{target}\n"));
    fs::write(&uris, lines.collect::<String>())?;
    let mut command = Command::new("h2load");
    command.args(["-t1", &format!("-c{connections}"), &format!("-n{requests}")]);
    command.arg(match version {
        Version::Http1 => "--h1",
        Version::Http2 => "-m8",
    });
    let (start, before) = (Instant::now(), children_seconds()?);
    let output = command.arg("-i").arg(uris).output().context("h2load is not installed")?;
    let client_cpu = children_seconds()? - before;
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let succeeded = text.split_once("status codes: ").and_then(|(_, rest)| rest.split_once(" 2xx"));
    let succeeded = succeeded.and_then(|(number, _)| number.parse().ok());
    ensure!(succeeded == Some(requests as u64), "h2load: not every answer was a 200:\n{text}");
    let bytes = data_bytes(&text).with_context(|| format!("h2load did not report: {text}"))?;
    Ok(Load { wall, requests: requests as u64, bytes, client_cpu, busiest: client_cpu })
}

/// Bytes of bodies: `… 1.20KB (1234) data`.
fn data_bytes(text: &str) -> Option<u64> {
    let (until, _) = text.split_once(") data")?;
    until.rsplit_once('(')?.1.parse().ok()
}
