//! How soon a server answers, and its memory when idle, by the number of registered paths.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    bench::{Bench, OURS},
    http::{Connection, request},
    load::Load,
    measure::{Subject, in_turns, median},
    process::memory,
    report::Goal,
    servers::RustNixServe,
    store::{database, database_of},
};

/// The narinfo of a path that is not in any store here.
pub(crate) const MISSING: &str = "/11111111111111111111111111111111.narinfo";

/// The one path of those stores that is on disk.
const PATH: &str = "00000000000000000000000000000000-here";

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    for count in bench.size.databases {
        let root = store_of(bench, *count)?;
        let mut server = RustNixServe::new(&bench.binary, bench.scratch.path(), "start", &root)?;
        let mut idle = Vec::new();
        let mut walls = Vec::new();
        for _ in 0..bench.size.rounds.max(3) {
            server.address = crate::servers::free_address()?;
            let start = Instant::now();
            let mut process = server.spawn(bench.scratch.path(), None)?;
            process.wait_for(|| answers(server.address))?;
            walls.push(start.elapsed().as_secs_f64());
            // A server that answers misses from memory shall have that memory counted.
            let miss = request(MISSING, None);
            Connection::open(server.address)?.discard(&miss)?;
            thread::sleep(Duration::from_secs(2));
            idle.push(memory(&[process.id()], "VmRSS"));
        }
        let (wall, idle) = (median(walls), median(idle));
        // Kept as a row of one number, for the table.
        let load = move || Ok(Load { wall, requests: 1, ..Load::default() });
        let what = format!("start to first narinfo, {count} paths");
        let mut row = in_turns(&what, 1, &[Subject::new(OURS, Vec::new(), load)])?;
        row.results.iter_mut().for_each(|outcome| outcome.peak = idle);
        let largest = bench.size.databases.last() == Some(count);
        let goals = largest.then(|| {
            [
                Goal::new(
                    &format!("start to first answer, {count} paths"),
                    "ms",
                    Some(wall * 1e3),
                    100.0,
                    30.0,
                ),
                Goal::new(&format!("idle memory, {count} paths"), "MiB", Some(idle), 40.0, 20.0),
            ]
        });
        bench.keep(row, goals.into_iter().flatten());
    }
    Ok(())
}

/// Whether the narinfo of the path on disk is served.
fn answers(address: SocketAddr) -> Option<()> {
    let mut connection = Connection::open(address).ok()?;
    let target = format!("/{}.narinfo", &PATH[..32]);
    let (status, _) = connection.discard(&request(&target, None)).ok()?;
    (status == 200).then_some(())
}

/// The root of a store with so many paths registered, in a database whose log was written back.
pub(crate) fn store_of(bench: &Bench, count: u64) -> Result<PathBuf> {
    let root = bench.store.directory.join(format!("start-{count}"));
    let (database, finished) = (database_of(&root), root.join("finished"));
    if !finished.exists() {
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        eprintln!("registering {count} paths");
        fs::create_dir_all(root.join("nix/store").join(PATH))?;
        let here = format!(
            "insert into ValidPaths (path, hash, registrationTime, narSize)
             values ('/nix/store/{PATH}', 'sha256:' || lower(hex(randomblob(32))), 1, 4096);"
        );
        database::create(&database, &(database::many(count) + &here))?;
        fs::write(finished, "")?;
    }
    Ok(root)
}
