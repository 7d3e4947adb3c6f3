//! Ten thousand clients that are connected and do nothing.

use std::time::{Duration, Instant};

use rns_testing::{Standard, http::Connection};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{eventually, nar_of, narinfo_of, serve};

/// Lets this process open as many files as it may, and says how many that are.
fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_else_waiting() {
    // The server keeps some files for other things, and has the same limit.
    let wanted = usize::try_from((raise_limit() / 2).min(10_000)).unwrap();
    if wanted < 10_000 {
        eprintln!("only {wanted} connections: more files may not be open here (ulimit -Hn)");
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    server.get(&target).ok();
    let (files, memory) = (server.open_files(), server.resident_bytes());
    let idle: Vec<Connection> = (0..wanted).map(|_| server.connect()).collect();
    // Some of the files counted before belonged to an answer that has left since.
    eventually(|| server.open_files() >= wanted);

    let begin = Instant::now();
    for _ in 0..50 {
        server.get(&narinfo_of(&standard.tree)).ok();
    }
    assert!(server.get(&target).ok() == standard.store.nar(&standard.blob));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let each = server.resident_bytes().saturating_sub(memory) / wanted as u64;
    assert!(each < 32 << 10, "{each} bytes for each connection");

    drop(idle);
    eventually(|| server.open_files() <= files + 2);
    server.get(&narinfo_of(&standard.tree)).ok();
}
