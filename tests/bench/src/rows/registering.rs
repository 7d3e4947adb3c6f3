//! Narinfo hits while Nix registers twenty paths a second.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    bench::{Bench, OURS},
    measure::{Subject, in_turns},
    report::Goal,
    servers::RustNixServe,
    wrk,
};

const REGISTERING: &str = "the same, 20 paths/s";

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let scratch = bench.scratch.path();
    let database = scratch.join("registering/db.sqlite");
    fs::create_dir_all(scratch.join("registering"))?;
    fs::copy(bench.store.database(), &database)?;
    let mut server = RustNixServe::new(&bench.binary, scratch, "registering", &bench.store.root())?;
    server.store_key("database", &database);
    let process = server.start(scratch, None)?;
    let list = scratch.join("registering/hits");
    wrk::list(&list, bench.everyone().iter().map(|member| member.narinfo()))?;
    let seconds = bench.size.wrk_seconds;
    let load = || wrk::run(server.address, 16, seconds, 200, &list);
    load()?;
    let busy = || {
        let mut sqlite = Command::new("sqlite3")
            .args(["-bail", "-batch"])
            .arg(&database)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("sqlite3 is not installed")?;
        let mut statements = sqlite.stdin.take().context("stdin is a pipe")?;
        statements.write_all(b"pragma busy_timeout=2000; pragma synchronous=normal;\n")?;
        let end = Instant::now() + Duration::from_secs(seconds);
        let load = thread::scope(|scope| -> Result<_> {
            let registering = scope.spawn(move || -> Result<()> {
                while Instant::now() < end {
                    // The cost of a new path for Nix: a row, its references.
                    statements.write_all(
                        b"begin; insert into ValidPaths (path, hash, registrationTime, narSize)
                          select '/nix/store/' || replace(lower(hex(randomblob(16))), 'e', 'g') || '-new',
                              'sha256:' || lower(hex(randomblob(32))), 1700000000, 4096;
                          insert into Refs select max(id), 1 from ValidPaths; commit;\n",
                    )?;
                    statements.flush()?;
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(())
            });
            let load = load()?;
            registering.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
            Ok(load)
        });
        anyhow::ensure!(sqlite.wait()?.success(), "sqlite3 could not register paths");
        load
    };
    let subjects = [
        Subject::new(OURS, vec![process.id()], load),
        Subject::new(REGISTERING, vec![process.id()], busy),
    ];
    let row =
        in_turns("narinfo hits while paths are registered, 16", bench.size.rounds, &subjects)?;
    drop(subjects);
    let ratio = row.result(REGISTERING).cpu_per_request() / row.result(OURS).cpu_per_request();
    let what = "narinfo hit while 20 paths/s register, CPU per request";
    bench.keep(row, [Goal::new(what, "× quiet", Some(ratio), 1.6, 1.2)]);
    Ok(())
}
