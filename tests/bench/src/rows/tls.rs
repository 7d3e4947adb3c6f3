//! The same answers over TLS, with the same certificate as nginx's: narinfos, and the NARs of a closure.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    bench::{Bench, NGINX, OURS, cpu_ratio},
    h2load::{self, Version},
    http::request,
    load,
    measure::{Subject, in_turns},
    process::{Process, wait_until_idle},
    report::Goal,
    servers::{RustNixServe, TlsNginx, free_address, listens},
    store::Group,
    wrk,
};

const CONNECTIONS: usize = 16;

/// Narinfo hits, and the compressed NARs of the closure, by both versions of HTTP.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let scratch = bench.scratch.path().to_owned();
    let certificate = certificate(&scratch)?;
    let (ours, process, plain) = start(bench, &certificate)?;
    let nginx = TlsNginx::start(&scratch, &bench.store, &certificate)?;
    // Everything that is rendered or compressed only once was, before anything is measured.
    let everyone: Vec<_> =
        bench.everyone().iter().map(|member| request(&member.narinfo(), None)).collect();
    load::send(plain, 4, 200, &everyone)?;
    let closure: Vec<String> =
        bench.one(Group::Closure).iter().map(|member| member.nar("zstd")).collect();
    let nars: Vec<_> = closure.iter().map(|target| request(target, None)).collect();
    load::send(plain, 4, 200, &nars)?;
    wait_until_idle(&[process.id()])?;

    let narinfos = scratch.join("tls-narinfos");
    wrk::list(&narinfos, bench.everyone().iter().map(|member| member.narinfo()))?;
    let list = scratch.join("tls-nars");
    let passes = 3;
    let count = closure.len() * passes;
    wrk::list(&list, closure.into_iter())?;
    for (what, list, count) in
        [("narinfo hits", &narinfos, bench.size.tls_requests), ("closure, zstd", &list, count)]
    {
        for version in [Version::Http1, Version::Http2] {
            let to = |address: SocketAddr| {
                move || h2load::run(address, version, CONNECTIONS, count, list)
            };
            let subjects = [
                Subject::new(NGINX, nginx.process.workers(), to(nginx.address)),
                Subject::new(OURS, vec![process.id()], to(ours)),
            ];
            let what = format!("{what} over TLS, {}, 16 connections", version.name());
            let row = in_turns(&what, bench.size.rounds, &subjects)?;
            drop(subjects);
            let ratio = cpu_ratio(&row, OURS);
            let goal = Goal::new(&format!("{what}, CPU per request"), "× nginx", ratio, 1.2, 1.0);
            bench.keep(row, [goal]);
        }
    }
    Ok(())
}

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) certificate: std::path::PathBuf,
    pub(crate) key: std::path::PathBuf,
}

impl Certificate {
    /// The section of a configuration that names it.
    pub(crate) fn section(&self) -> String {
        format!("[tls]\ncertificate = {:?}\nkey = {:?}", self.certificate, self.key)
    }
}

/// Makes a certificate that signs itself.
pub(crate) fn certificate(scratch: &Path) -> Result<Certificate> {
    let own = Certificate {
        certificate: scratch.join("certificate.pem"),
        key: scratch.join("certificate.key"),
    };
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .arg("-keyout")
        .arg(&own.key)
        .arg("-out")
        .arg(&own.certificate)
        .output()
        .context("openssl is not installed")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(fs::metadata(&own.key)?.len() > 0, "openssl has written no key");
    Ok(own)
}

/// Our server with a listener that speaks TLS; its address, and that of the plain one.
fn start(bench: &Bench, certificate: &Certificate) -> Result<(SocketAddr, Process, SocketAddr)> {
    let scratch = bench.scratch.path();
    let mut server = RustNixServe::new(&bench.binary, scratch, "tls", &bench.store.root())?;
    server.compressing(&scratch.join("tls-nar-cache"));
    server.section(&certificate.section());
    let address = free_address()?;
    server.listen(&format!("tls://{address}"));
    let mut process = server.start(scratch, None)?;
    process.wait_for(|| listens(address))?;
    Ok((address, process, server.address))
}
