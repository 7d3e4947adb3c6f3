//! An index of many paths: a collector's decision, while narinfos are asked for; the reason for one path; a root with a large
//! closure.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    bench::{Bench, OURS},
    http::{Connection, request, upload},
    load::Load,
    measure::{Row, Subject, in_turns, median},
    process::{Process, memory},
    report::Goal,
    servers::RustNixServe,
    store::database,
};

/// Narinfos that are asked for in one measurement of their times, one after the other.
const REQUESTS: usize = 4_000;

/// Paths that the large root needs, where there are so many.
const ROOT_CLOSURE: u64 = 10_000;

/// A running server for a directory of some paths, whose index knows many more.
struct Lab {
    server: RustNixServe,
    process: Process,
    configuration: PathBuf,
    narinfos: Vec<Vec<u8>>,
    count: u64,
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let lab = Lab::start(bench)?;
    let address = lab.server.address;
    marking(bench, &lab)?;
    for (what, path) in [("much refers to", 5), ("nothing refers to", lab.count)] {
        let path = format!("/nix/store/{path:032}-path");
        let walls = (0..bench.size.rounds.max(3)).map(|_| {
            let start = Instant::now();
            // 1: nothing keeps it.
            let status = lab.command(bench, &["storage", "why", &path]).status()?;
            ensure!(matches!(status.code(), Some(0 | 1)), "why has failed");
            Ok(start.elapsed().as_secs_f64())
        });
        let wall = median(walls.collect::<Result<_>>()?);
        let what = format!("storage why, a path that {what}, {} paths", lab.count);
        keep(bench, &what, ("ms", wall * 1e3, 100.0, 50.0))?;
    }
    let body = format!("/nix/store/{:032}-path\n", lab.count + 1);
    let start = Instant::now();
    let head = upload("/gcroots/large", body.as_bytes());
    let status = Connection::open(address)?.send(&head, body.as_bytes())?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(matches!(status, 200 | 201), "{status} for the root");
    let what = format!("a root with a closure of {} paths", ROOT_CLOSURE.min(lab.count) + 1);
    keep(bench, &what, ("ms", wall * 1e3, 1000.0, 200.0))
}

impl Lab {
    fn start(bench: &mut Bench) -> Result<Self> {
        if bench.storage.is_none() {
            bench.serve_files()?;
        }
        let count = *bench.size.databases.last().unwrap_or(&1000);
        let scratch = bench.scratch.path();
        let directory = scratch.join(crate::servers::FILES);
        let narinfos = bench.everyone().iter().map(|member| request(&member.narinfo(), None));
        let narinfos = narinfos.collect();
        let mut server =
            RustNixServe::of_storage(&bench.binary, scratch, "collection", &directory)?;
        server.section("[access]\nanonymous = [\"read\", \"push\", \"pin\"]");
        // Nothing is removed: only deciding is measured.
        server.section("[retention]\nkeep_roots = true\nmin_age = \"1h\"\ninterval = \"365d\"");
        let mut lab = Self {
            process: server.start(scratch, None)?,
            server,
            configuration: scratch.join("collection.toml"),
            narinfos,
            count,
        };
        // The tables are made when the server first needs them.
        let roots = request("/gcroots", None);
        let (status, _) = Connection::open(lab.server.address)?.discard(&roots)?;
        ensure!(status == 200, "{status} for the roots");
        eprintln!("indexing {count} paths");
        database::run(&scratch.join("collection-index.sqlite"), &rows(count))?;
        lab.process.wait_for(|| crate::servers::listens(lab.server.address))?;
        Ok(lab)
    }

    fn command(&self, bench: &Bench, arguments: &[&str]) -> Command {
        let mut command = Command::new(&bench.binary);
        command.args(arguments).arg("--config").arg(&self.configuration);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Returns the 99th percentile of the time that a narinfo takes, in seconds.
    fn p99(&self) -> Result<f64> {
        let mut connection = Connection::open(self.server.address)?;
        let mut times = Vec::with_capacity(REQUESTS);
        for request in self.narinfos.iter().cycle().take(REQUESTS) {
            let start = Instant::now();
            let (status, _) = connection.discard(request)?;
            ensure!(status == 200, "{status} for a narinfo");
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        Ok(times.get(REQUESTS * 99 / 100).copied().unwrap_or_default())
    }
}

/// A collector's decision: time, memory, and the delay of readers.
fn marking(bench: &mut Bench, lab: &Lab) -> Result<()> {
    let (mut walls, mut peaks, mut quiet, mut busy) = (vec![], vec![], vec![], vec![]);
    for _ in 0..bench.size.rounds {
        quiet.push(lab.p99()?);
        let start = Instant::now();
        let mut child = lab.command(bench, &["storage", "gc", "--dry-run"]).spawn()?;
        let (mut peak, mut during) = (0.0_f64, Vec::new());
        thread::scope(|scope| -> Result<()> {
            let watching = scope.spawn(|| -> Result<f64> {
                let status = loop {
                    peak = peak.max(memory(&[child.id()], "VmHWM"));
                    if let Some(status) = child.try_wait()? {
                        break status;
                    }
                    thread::sleep(Duration::from_millis(5));
                };
                ensure!(status.success(), "gc --dry-run has failed");
                Ok(start.elapsed().as_secs_f64())
            });
            while !watching.is_finished() {
                during.push(lab.p99()?);
            }
            walls.push(watching.join().unwrap_or_else(|_| Ok(0.0))?);
            Ok(())
        })?;
        peaks.push(peak);
        busy.push(median(during));
    }
    let count = lab.count;
    let wall = median(walls);
    keep(bench, &format!("deciding what goes, {count} paths"), ("s", wall, 20.0, 5.0))?;
    let what = format!("memory of deciding what goes, {count} paths");
    bench.goals.push(Goal::new(&what, "MiB", Some(median(peaks)), 300.0, 150.0));
    let grown = (median(busy) - median(quiet)) * 1e3;
    let what = "p99 of a narinfo, more while it is decided what goes";
    bench.goals.push(Goal::new(what, "ms", Some(grown.max(0.0)), 5.0, 1.0));
    Ok(())
}

/// Keeps a time as a row of one number, and its goal.
fn keep(
    bench: &mut Bench,
    what: &str,
    (unit, value, must, stretch): (&'static str, f64, f64, f64),
) -> Result<()> {
    let wall = if unit == "ms" { value / 1e3 } else { value };
    let load = move || Ok(Load { wall, requests: 1, ..Load::default() });
    let row: Row = in_turns(what, 1, &[Subject::new(OURS, Vec::new(), load)])?;
    bench.keep(row, [Goal::new(what, unit, Some(value), must, stretch)]);
    Ok(())
}

/// Paths that refer to earlier ones, as in a store: all to one of the first twenty, and no chain is longer than the logarithm
/// of their number. A root names every thousandth of the second half. The last one refers to the first ten thousand.
fn rows(count: u64) -> String {
    let (all, first) = (count + 1, ROOT_CLOSURE.min(count));
    format!(
        "pragma synchronous = off;
         create temp table numbers as with recursive n (i) as
           (select 1 union all select i + 1 from n where i < {all}) select i from n;
         begin;
         insert into nars (id, key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified)
           select i, 'nar/' || printf('%032d', i) || '.nar', '', 1000 + i % 5000, '', 9000, 1, 1, 1
           from numbers;
         insert into paths (id, hash, path, state, nar, nar_size, file_size, published, touched, used)
           select i, printf('%032d', i), printf('%032d', i) || '-path', 2, i, 9000, 1000 + i % 5000,
             1, 1 + i % 1000, 0 from numbers;
         insert into refs (referrer, reference)
           select distinct i, r from (select i, 1 + i % 20 as r from numbers
             union all select i, i / 2 from numbers union all select i, i / 3 + 1 from numbers
             union all select i, i / 7 + 1 from numbers union all select i, i / 50 + 1 from numbers)
           where r > 0 and r < i and i <= {count}
           union all select {all}, i from numbers where i <= {first};
         insert into roots (id, name, revision, created, pusher) values (1, 'main', 1, 1, 'ci');
         insert into root_paths (root, path)
           select 1, i from numbers where i % 1000 = 0 and i * 2 > {count};
         insert into collections (begun, ended, paths, bytes) values (unixepoch(), unixepoch(), 0, 0);
         commit;"
    )
}
