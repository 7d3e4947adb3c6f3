//! Narinfos of a private cache: the cost of a token.

use std::{fs, net::SocketAddr, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    bench::{Bench, OURS},
    http::request,
    load,
    measure::{Subject, in_turns},
    report::Goal,
    servers::RustNixServe,
};

const TOKEN: &str = "with a token";
const CONNECTIONS: usize = 16;

/// The same narinfos from a public server, and from one that wants a token.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let scratch = bench.scratch.path().to_owned();
    let file = scratch.join("tokens");
    let server = |name, access: &str| {
        let mut server = RustNixServe::new(&bench.binary, &scratch, name, &bench.store.root())?;
        server.section(access);
        let process = server.start(&scratch, None)?;
        anyhow::Ok((server.address, process))
    };
    let token = create(bench, &file)?;
    let open = server("open", "")?;
    let closed = server("closed", &format!("[access]\ntokens = {file:?}\nanonymous = []"))?;
    let plain: Vec<Vec<u8>> =
        bench.everyone().iter().map(|member| request(&member.narinfo(), None)).collect();
    let with_token: Vec<Vec<u8>> = plain.iter().map(|request| add(request, &token)).collect();
    let wall = send(open.0, &plain)?.wall.min(send(open.0, &plain)?.wall);
    send(closed.0, &with_token)?;
    let passes = ((bench.size.seconds / wall).ceil() as usize).clamp(1, 100);
    let many = |requests: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let times = requests.len() * passes;
        requests.into_iter().cycle().take(times).collect()
    };
    let (plain, with_token) = (many(plain), many(with_token));
    let subjects = [
        Subject::new(OURS, vec![open.1.id()], || send(open.0, &plain)),
        Subject::new(TOKEN, vec![closed.1.id()], || send(closed.0, &with_token)),
    ];
    let row =
        in_turns("narinfo hits of a private cache, 16 connections", bench.size.rounds, &subjects)?;
    drop(subjects);
    let per = |name| row.result(name).cpu_per_request();
    let ratio = Some(per(TOKEN) / per(OURS));
    let what = "narinfo hit with a token, CPU per request";
    let goal = Goal::new(what, "× without", ratio, 1.25, 1.1);
    bench.keep(row, [goal]);
    Ok(())
}

fn send(address: SocketAddr, requests: &[Vec<u8>]) -> Result<load::Load> {
    load::send(address, CONNECTIONS, 200, requests)
}

/// Makes a token in a file of tokens.
pub(crate) fn create(bench: &Bench, file: &std::path::Path) -> Result<String> {
    let mut command = Command::new(&bench.binary);
    let output = command.args(["token", "create", "--file"]).arg(file).arg("bench").output()?;
    ensure!(output.status.success(), "token create: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(fs::metadata(file)?.len() > 0, "no token was made");
    Ok(String::from_utf8(output.stdout).context("a token is text")?.trim().to_owned())
}

/// The request with the token, as a client with a netrc file sends it.
pub(crate) fn add(request: &[u8], token: &str) -> Vec<u8> {
    let end = request.len().saturating_sub(2);
    let pair = base64(format!("bench:{token}").as_bytes());
    [&request[..end], format!("Authorization: Basic {pair}\r\n\r\n").as_bytes()].concat()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
